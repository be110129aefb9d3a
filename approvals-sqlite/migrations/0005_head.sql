-- How the store stands is told by the last row of kind 1 in `entries`, in place of a row of `meta`
-- that each commit changed, and with it a page: `request` is the time of the latest commit in
-- milliseconds since the Unix epoch and the number of the last event, eight bytes each with the
-- highest first, and after them the ids of what the commit changed. Every commit has such a row.
-- Nobody of this version has waited for the changes of before.
DELETE FROM entries WHERE kind = 1;
INSERT INTO entries
SELECT 1, '', last_change, unhex(printf('%016X%016X', latest, last_event)) FROM meta;

-- A process of an earlier version that has the file open begins every change and every question by
-- reading these columns, so that nothing comes of them.
ALTER TABLE meta DROP COLUMN latest;
ALTER TABLE meta DROP COLUMN last_event;
ALTER TABLE meta DROP COLUMN last_change;

INSERT INTO versions (version, oldest) VALUES (5, 5);
