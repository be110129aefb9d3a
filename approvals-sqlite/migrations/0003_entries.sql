-- What requests are found by, in one table in place of many indices: while few are open, whatever a
-- change of one of them moves is on one page or two, and every page that a commit changes is written
-- once more to the log. The kinds, of which those that change together are side by side:
--
--  1 change: part is its number             2 due: part is the time
--  3 digest: part is 0 pending, 1 executing or in doubt, 2 whatever else decides
--  4 waiter: value is the gate              5 copy: value is the channel, part is when it is due
--  6 open, by phase: part is the phase      7 open, by action: value is the action, part is the phase
--  8 open, by principal: value is whom      9 owes a review
-- 10 denied: value is the digest, part is when
-- 11 finished, by phase: as 6              12 finished, by action: as 7
-- 13 finished, by principal: as 8          14 finished: part is when it last changed
--
-- Phases are 0 pending, 1 approved or claimed or executing, 2 in doubt, 3 succeeded, 4 failed,
-- 5 denied, 6 withdrawn, 7 expired, 8 revoked, 9 lapsed.
CREATE TABLE entries (
    kind INTEGER NOT NULL,
    value ANY NOT NULL,
    part INTEGER NOT NULL,
    request BLOB NOT NULL,
    PRIMARY KEY (kind, value, part, request)
) STRICT, WITHOUT ROWID;

INSERT INTO entries SELECT 1, '', number, request FROM changes;
INSERT INTO entries SELECT 2, '', due_at, id FROM requests WHERE due_at IS NOT NULL;
INSERT INTO entries
SELECT 3, digest,
    CASE WHEN found = 'pending' THEN 0 WHEN phase IN ('executing', 'in_doubt') THEN 1 ELSE 2 END, id
FROM requests WHERE found IS NOT NULL AND phase <> 'denied';
INSERT INTO entries SELECT 4, waiter, 0, id FROM requests WHERE waiter IS NOT NULL;
INSERT INTO entries SELECT 5, channel, due, request FROM copies;
INSERT INTO entries SELECT 9, '', 0, id FROM requests WHERE review_owed = 1;
INSERT INTO entries
SELECT 10, digest, changed_at, id FROM requests WHERE found = 'decides' AND phase = 'denied';
INSERT INTO entries SELECT 14, '', changed_at, id FROM requests WHERE finished = 1;

CREATE VIEW phases AS
SELECT id, action, iif(finished, 5, 0) AS past,
    CASE phase
        WHEN 'pending' THEN 0 WHEN 'approved' THEN 1 WHEN 'claimed' THEN 1 WHEN 'executing' THEN 1
        WHEN 'in_doubt' THEN 2 WHEN 'succeeded' THEN 3 WHEN 'failed' THEN 4 WHEN 'denied' THEN 5
        WHEN 'withdrawn' THEN 6 WHEN 'expired' THEN 7 WHEN 'revoked' THEN 8 ELSE 9
    END AS phase
FROM requests;
INSERT INTO entries SELECT 6 + past, '', phase, id FROM phases;
INSERT INTO entries SELECT 7 + past, action, phase, id FROM phases;
INSERT INTO entries SELECT iif(finished, 13, 8), principal, 0, request FROM principals;
DROP VIEW phases;

DROP TRIGGER opened_by_version_1;
DROP TRIGGER noted_by_version_1;
DROP VIEW copies_of_version_1;
DROP TABLE copies;
DROP TABLE principals;
DROP TABLE changes;
DROP INDEX requests_by_phase;
DROP INDEX requests_by_action;
DROP INDEX requests_by_due;
DROP INDEX requests_by_digest;
DROP INDEX requests_by_waiter;
DROP INDEX requests_that_owe;
DROP INDEX requests_finished;
ALTER TABLE requests DROP COLUMN copies_kept;

-- When it was asked: what an intended copy is due by.
ALTER TABLE requests ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;
UPDATE requests SET asked_at = coalesce(record ->> '$.asked.asked_at', 0) WHERE json_valid(record);

-- A process of an earlier version that has the file open keeps none of these entries. Every change
-- that it makes of a request names something that is no longer there, so that nothing comes of it;
-- and none of them opens the file again.
ALTER TABLE requests RENAME COLUMN deliveries TO copies;

INSERT INTO versions (version, oldest) VALUES (3, 3);
