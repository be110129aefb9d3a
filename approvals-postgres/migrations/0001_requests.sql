-- Requests. What stands beside `record` are copies of parts of it, written in the same statement,
-- by which requests are found.
CREATE TABLE requests (
    -- Sixteen bytes, in order of creation.
    id bytea PRIMARY KEY,
    schema integer NOT NULL,
    revision bigint NOT NULL,
    phase text NOT NULL,
    -- JSON as text, since jsonb takes no U+0000.
    record text NOT NULL,
    action text NOT NULL,
    digest bytea NOT NULL,
    bucket bytea NOT NULL,
    -- When the store opened it, where people were asked.
    asked_at bigint,
    due_at bigint,
    -- The gate that waits, while the request is pending.
    awaited_by bytea,
    -- Whether it says something about later calls of its digest.
    decides boolean NOT NULL,
    -- Until when its grant is open.
    grant_until bigint,
    -- When it was denied, in whichever way.
    denied_at bigint,
    -- When it was denied by a vote on itself.
    denied_here_at bigint,
    -- Whom a proposal in its denial is for.
    proposed_to bytea,
    review_owed boolean NOT NULL,
    key bytea,
    changed_at bigint NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX requests_by_phase ON requests (phase, id);
CREATE INDEX requests_by_action ON requests (action, phase, id);
CREATE INDEX requests_owing_review ON requests (id) WHERE review_owed;
CREATE INDEX requests_due ON requests (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX requests_awaited ON requests (awaited_by, id) WHERE awaited_by IS NOT NULL;
CREATE INDEX requests_pending_equal ON requests (digest, id) WHERE phase = 'pending';
CREATE INDEX requests_deciding ON requests (digest, id) WHERE decides;
CREATE INDEX requests_denied ON requests (digest, denied_at) WHERE denied_at IS NOT NULL;
CREATE INDEX requests_pending_in_bucket ON requests (bucket) WHERE phase = 'pending';
CREATE INDEX requests_asked_in_bucket ON requests (bucket, asked_at) WHERE asked_at IS NOT NULL;
CREATE INDEX requests_denied_in_bucket ON requests (bucket, denied_here_at)
    WHERE denied_here_at IS NOT NULL;
CREATE INDEX requests_proposed ON requests (proposed_to, denied_here_at)
    WHERE proposed_to IS NOT NULL;
CREATE INDEX requests_finished ON requests (changed_at) WHERE phase IN
    ('succeeded', 'failed', 'denied', 'withdrawn', 'expired', 'revoked', 'lapsed');

-- Whom a request is of: actor, principals and root.
CREATE TABLE requesters (
    principal text NOT NULL,
    request bytea NOT NULL REFERENCES requests ON DELETE CASCADE,
    PRIMARY KEY (principal, request)
);
CREATE INDEX requesters_of_request ON requesters (request);

CREATE TABLE deliveries (
    request bytea NOT NULL REFERENCES requests ON DELETE CASCADE,
    channel text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (request, channel)
);

-- Keys name one logical call for good: they outlive the archiving of its request.
CREATE TABLE keys (
    key bytea PRIMARY KEY,
    request bytea NOT NULL
);

-- Finished requests that a key still finds.
CREATE TABLE archived (
    id bytea PRIMARY KEY,
    record text NOT NULL
);

-- The trail's outbox.
CREATE TABLE events (
    number bigint PRIMARY KEY,
    id bytea NOT NULL,
    at bigint NOT NULL,
    request bytea,
    revision bigint NOT NULL,
    what text NOT NULL
);

CREATE TABLE sinks (
    sink text PRIMARY KEY,
    acknowledged bigint NOT NULL
);

-- One row: the number of the last event, and the latest time that anything was committed at. Every
-- commit with events ends by updating it.
CREATE TABLE head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_event bigint NOT NULL,
    latest bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO head (last_event, latest) VALUES (0, 0);

-- One row while the gate is frozen.
CREATE TABLE frozen (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    body text NOT NULL
);

-- Until when a gate said that it is alive.
CREATE TABLE heartbeats (
    owner bytea PRIMARY KEY,
    until bigint NOT NULL
) WITH (fillfactor = 50);
