-- The versions of these tables, and the oldest of this crate that each can still be used by.
-- `user_version` is the latter, so that an older process goes on beside a newer one.
CREATE TABLE versions (
    version INTEGER PRIMARY KEY,
    oldest INTEGER NOT NULL
) STRICT;

INSERT INTO versions (version, oldest) VALUES (1, 1), (2, 1);

-- Which gate does which kind of background work, and until when.
CREATE TABLE duties (
    duty TEXT PRIMARY KEY,
    owner BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When somebody has to work on a copy, where anybody has to: written with `deliveries`.
CREATE TABLE copies (
    request BLOB NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (request, channel)
) STRICT, WITHOUT ROWID;

CREATE INDEX copies_by_due ON copies (channel, due);

-- Whoever keeps `copies` makes this grow with every write of `deliveries`. A process of version 1
-- is told by leaving it as it is.
ALTER TABLE requests ADD COLUMN copies_kept INTEGER NOT NULL DEFAULT 0;

-- What is due of deliveries as version 1 writes them: what `Delivery::due` says of them.
CREATE VIEW copies_of_version_1 AS
SELECT r.id AS request, d.value ->> '$.channel' AS channel,
    CASE
        WHEN d.value ->> '$.state' = 'intended' THEN (r.record ->> '$.asked.asked_at') + 30000
        ELSE coalesce(d.value ->> '$.state.failed.retry.at', d.value ->> '$.state.outdated.retry.at')
    END AS due
FROM requests r, json_each(r.deliveries) d;

INSERT OR REPLACE INTO copies (request, channel, due)
SELECT request, channel, due FROM copies_of_version_1 WHERE due IS NOT NULL;

CREATE TRIGGER opened_by_version_1 AFTER INSERT ON requests WHEN NEW.copies_kept = 0
BEGIN
    INSERT OR REPLACE INTO copies (request, channel, due)
    SELECT request, channel, due FROM copies_of_version_1 WHERE request = NEW.id AND due IS NOT NULL;
END;

CREATE TRIGGER noted_by_version_1 AFTER UPDATE OF deliveries ON requests
WHEN NEW.copies_kept = OLD.copies_kept
BEGIN
    DELETE FROM copies WHERE request = NEW.id;
    INSERT OR REPLACE INTO copies (request, channel, due)
    SELECT request, channel, due FROM copies_of_version_1 WHERE request = NEW.id AND due IS NOT NULL;
END;
