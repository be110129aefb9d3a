-- Which gate does which kind of background work, and until when.
CREATE TABLE duties (
    duty text PRIMARY KEY,
    owner bytea NOT NULL,
    until bigint NOT NULL
) WITH (fillfactor = 50);

-- When somebody has to work on a copy, where anybody has to: written with `body`.
ALTER TABLE deliveries ADD COLUMN due bigint;

-- Whoever keeps `due` makes this grow with every write. A process of version 1 is told by leaving it
-- as it is.
ALTER TABLE deliveries ADD COLUMN due_kept bigint NOT NULL DEFAULT 0;

-- What is due of a delivery as version 1 writes it: what `Delivery::due` says of it. Quotation marks
-- inside its texts are escaped, so that nothing in them looks like a part of it.
CREATE FUNCTION due_of_version_1(body text, asked_at bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN strpos(body, '"state":"intended"') > 0 THEN asked_at + 30000
        ELSE substring(body FROM '"retry":\{"attempts":[0-9]+,"at":([0-9]+)\}')::bigint
    END
$$;

UPDATE deliveries d SET due = due_of_version_1(d.body, r.asked_at)
FROM requests r WHERE r.id = d.request AND due_of_version_1(d.body, r.asked_at) IS NOT NULL;

CREATE INDEX deliveries_due ON deliveries (channel, due, request) WHERE due IS NOT NULL;

-- A request and its first deliveries are written at once: it is as old as the latest commit.
CREATE FUNCTION written_by_version_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.due := due_of_version_1(NEW.body, (SELECT latest FROM head));
    RETURN NEW;
END
$$;

CREATE TRIGGER made_by_version_1 BEFORE INSERT ON deliveries FOR EACH ROW
    WHEN (NEW.due_kept = 0) EXECUTE FUNCTION written_by_version_1();
CREATE TRIGGER noted_by_version_1 BEFORE UPDATE ON deliveries FOR EACH ROW
    WHEN (NEW.due_kept = OLD.due_kept) EXECUTE FUNCTION written_by_version_1();
