-- One row: what every commit reads and writes.
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Store time of the latest commit, in milliseconds since the Unix epoch: it never decreases.
    latest INTEGER NOT NULL,
    -- The number of the last event; events are numbered without a gap.
    last_event INTEGER NOT NULL,
    -- The number of the last change of a record.
    last_change INTEGER NOT NULL,
    -- Who froze the gate, as JSON, while anybody has.
    frozen TEXT
) STRICT;

INSERT INTO meta (one, latest, last_event, last_change) VALUES (1, 0, 0, 0);

-- One row for each request: its record as JSON, and what it is found by.
CREATE TABLE requests (
    id BLOB NOT NULL,
    revision INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    phase TEXT NOT NULL,
    finished INTEGER NOT NULL,
    due_at INTEGER,
    digest BLOB NOT NULL,
    found TEXT,
    bucket BLOB NOT NULL,
    waiter BLOB,
    review_owed INTEGER NOT NULL,
    action TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    -- The copies that channels have, as JSON: written far less often than read with their record.
    deliveries TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX requests_by_id ON requests (id);
CREATE INDEX requests_by_phase ON requests (phase, id);
CREATE INDEX requests_by_action ON requests (action, phase, id);
CREATE INDEX requests_by_due ON requests (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX requests_by_digest ON requests (digest, found, phase, changed_at) WHERE found IS NOT NULL;
CREATE INDEX requests_by_waiter ON requests (waiter, id) WHERE waiter IS NOT NULL;
CREATE INDEX requests_that_owe ON requests (id) WHERE review_owed = 1;
CREATE INDEX requests_finished ON requests (changed_at, id) WHERE finished = 1;

-- Whom a request can be listed by.
CREATE TABLE principals (
    principal TEXT NOT NULL,
    finished INTEGER NOT NULL,
    request BLOB NOT NULL,
    PRIMARY KEY (principal, finished, request)
) STRICT, WITHOUT ROWID;

-- Keys outlive the archiving of their request.
CREATE TABLE keys (
    key BLOB PRIMARY KEY,
    request BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What is left of archived requests that have a key: how they ended.
CREATE TABLE tombstones (
    id BLOB PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How busy each (root principal, action, resource) is. Asks and denials are (time, count) pairs of
-- the last hour, see `traffic.rs`.
CREATE TABLE buckets (
    bucket BLOB PRIMARY KEY,
    pending INTEGER NOT NULL,
    asks BLOB NOT NULL,
    denials BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Values that reviewers proposed, by requester chain and action.
CREATE TABLE proposals (
    chain BLOB NOT NULL,
    at INTEGER NOT NULL,
    person TEXT NOT NULL,
    proposal TEXT NOT NULL
) STRICT;

CREATE INDEX proposals_by_chain ON proposals (chain, at);
CREATE INDEX proposals_by_time ON proposals (at);

-- Until when each gate is alive. A gate that a request waits for has a row, also when nothing is
-- known of it.
CREATE TABLE gates (
    owner BLOB PRIMARY KEY,
    alive_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX gates_by_time ON gates (alive_until, owner);

-- The trail's outbox: what some sink has not acknowledged.
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    request BLOB,
    revision INTEGER NOT NULL,
    what TEXT NOT NULL
) STRICT;

CREATE TABLE sinks (
    sink TEXT PRIMARY KEY,
    has INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The latest changes of records, for waiters in other processes.
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    request BLOB NOT NULL
) STRICT;
