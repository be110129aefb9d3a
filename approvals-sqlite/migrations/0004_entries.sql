-- What requests are found by, in one table in place of many indices: while few are open, whatever a
-- change of one of them moves is on one page or two, and every page that a commit changes is written
-- once more to the log. The kinds, of which those that change together are side by side:
--
--  1 change: part is the number of the last one, request is the ids of all that one commit changed
--  2 due: part is the time
--  3 due, of what is approved, claimed or executing: part is the time
--  4 digest: of what is not finished, and of what decides about later calls but was not denied
--  5 waiter: value is the gate
--  6 copy: value is the channel, part is when somebody has to work on it
--  7 owes a review
--  8 not finished: part is 1 where it is in doubt
--  9 not finished, by action: value is the action, part as for 8
-- 10 not finished, by principal: value is whom
-- 11 denied: value is the digest, part is when
-- 12 finished: part is 3 succeeded, 4 failed, 5 denied, 6 withdrawn, 7 expired, 8 revoked, 9 lapsed
-- 13 finished, by action: value is the action, part as for 12
-- 14 finished, by principal: value is whom
-- 15 finished: part is when it last changed
CREATE TABLE entries (
    kind INTEGER NOT NULL,
    value ANY NOT NULL,
    part INTEGER NOT NULL,
    request BLOB NOT NULL,
    PRIMARY KEY (kind, value, part, request)
) STRICT, WITHOUT ROWID;

INSERT INTO entries SELECT 1, '', number, request FROM changes;
INSERT INTO entries
SELECT 2, '', due_at, id FROM requests
WHERE due_at IS NOT NULL AND phase NOT IN ('approved', 'claimed', 'executing');
INSERT INTO entries
SELECT 3, '', coalesce(due_at, 0x7fffffffffffffff), id FROM requests
WHERE phase IN ('approved', 'claimed', 'executing');
INSERT INTO entries
SELECT 4, digest, 0, id FROM requests
WHERE finished = 0 OR (found = 'decides' AND phase <> 'denied');
INSERT INTO entries SELECT 5, waiter, 0, id FROM requests WHERE waiter IS NOT NULL;
INSERT INTO entries SELECT 6, channel, due, request FROM copies;
INSERT INTO entries SELECT 7, '', 0, id FROM requests WHERE review_owed = 1;
INSERT INTO entries
SELECT 11, digest, changed_at, id FROM requests WHERE found = 'decides' AND phase = 'denied';
INSERT INTO entries SELECT 15, '', changed_at, id FROM requests WHERE finished = 1;

CREATE VIEW phases AS
SELECT id, action, iif(finished, 4, 0) AS past,
    CASE phase
        WHEN 'in_doubt' THEN 1 WHEN 'succeeded' THEN 3 WHEN 'failed' THEN 4 WHEN 'denied' THEN 5
        WHEN 'withdrawn' THEN 6 WHEN 'expired' THEN 7 WHEN 'revoked' THEN 8 WHEN 'lapsed' THEN 9
        ELSE 0
    END AS phase
FROM requests;
INSERT INTO entries SELECT 8 + past, '', phase, id FROM phases;
INSERT INTO entries SELECT 9 + past, action, phase, id FROM phases;
INSERT INTO entries SELECT iif(finished, 14, 10), principal, 0, request FROM principals;
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

INSERT INTO versions (version, oldest) VALUES (4, 4);
