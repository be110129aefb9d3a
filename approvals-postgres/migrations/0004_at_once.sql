-- What is judged by conditions and written in one statement, which is a transaction by itself: it is
-- sent as a prepared statement with its values, and costs neither a text to be read nor a statement for
-- every lock. Each takes its locks first, in the order that all transactions do (the freeze, names by
-- number, the row, `head`), and reads the clock after them. Each statement of a function sees what was
-- committed before it began.
--
-- A later version that needs something else makes a function of another name, since processes of this
-- one go on.

-- Replaces a record if everything is so that it may be, and else changes nothing and says so.
CREATE FUNCTION swap_at_once(
    event_ids bytea[], event_requests bytea[], event_revisions bigint[], event_whats text[],
    told bigint, not_after bigint,
    new_id bytea, new_revision bigint, new_schema bigint, new_phase text, new_record text,
    new_due_at bigint, new_awaited_by bytea, new_decides boolean, new_grant_until bigint,
    new_denied_at bigint, new_review_owed boolean,
    denied_by_vote boolean, new_proposed_to bytea,
    decided boolean, told_on text, told_what text,
    clock_at_most bigint, schema_at_most bigint, unfrozen boolean, stands boolean, new_digest bytea,
    shared_lock bigint, locks bigint[],
    OUT clock bigint, OUT latest bigint, OUT now bigint, OUT changed bigint, OUT last_event bigint)
LANGUAGE plpgsql AS $$
DECLARE
    lock bigint;
    was text;
BEGIN
    changed := 0;
    IF shared_lock IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(shared_lock);
    END IF;
    FOREACH lock IN ARRAY locks LOOP
        PERFORM pg_advisory_xact_lock(lock);
    END LOOP;
    SELECT r.phase INTO was FROM requests r
        WHERE r.id = new_id AND r.revision = new_revision - 1 AND r.schema <= schema_at_most
        FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, h.latest
        INTO clock, latest FROM head h;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    now := greatest(clock, latest, told);
    -- The clock goes on as it should, and the deadline has not come.
    IF clock < greatest(latest, told) - 2000 OR clock > clock_at_most OR not_after <= now THEN
        RETURN;
    END IF;
    IF unfrozen AND EXISTS (SELECT FROM frozen) THEN
        RETURN;
    END IF;
    -- No equal call decides.
    IF stands AND EXISTS (SELECT FROM requests e WHERE e.digest = new_digest AND e.decides
        AND e.phase IN ('executing', 'in_doubt') AND e.id <> new_id) THEN
        RETURN;
    END IF;
    UPDATE requests r SET revision = new_revision, schema = new_schema, phase = new_phase,
        record = new_record, due_at = new_due_at, awaited_by = new_awaited_by,
        decides = new_decides, grant_until = new_grant_until, denied_at = new_denied_at,
        review_owed = new_review_owed, changed_at = now,
        denied_here_at = CASE WHEN denied_by_vote AND was = 'pending' THEN now
            ELSE r.denied_here_at END,
        proposed_to = CASE WHEN was = 'pending' THEN coalesce(new_proposed_to, r.proposed_to)
            ELSE r.proposed_to END
        WHERE r.id = new_id;
    UPDATE head h SET last_event = h.last_event + cardinality(event_ids),
        latest = greatest(h.latest, now)
        RETURNING h.last_event, h.latest INTO last_event, latest;
    -- An event that would be as late as the deadline has no time, and is refused.
    INSERT INTO events (number, id, at, request, revision, what)
        SELECT last_event - cardinality(event_ids) + e.place, e.id,
            CASE WHEN not_after IS NULL OR latest < not_after THEN latest END,
            e.request, e.revision, e.what
        FROM unnest(event_ids, event_requests, event_revisions, event_whats)
            WITH ORDINALITY AS e (id, request, revision, what, place);
    IF decided AND was = 'pending' THEN
        PERFORM pg_notify(told_on, told_what);
    END IF;
    changed := 1;
END
$$;

-- Stores a new request if nothing is known that decides about it, and else changes nothing and says
-- so: its id and its key are new, no equal call is executing, in doubt, denied or has a grant, nobody
-- denied or proposed anything lately that counts, and the limits are not reached (null where there is
-- none).
CREATE FUNCTION open_at_once(
    event_ids bytea[], event_requests bytea[], event_revisions bigint[], event_whats text[],
    told bigint, not_after bigint,
    new_id bytea, new_revision bigint, new_schema bigint, new_phase text, new_record text,
    new_due_at bigint, new_awaited_by bytea, new_decides boolean, new_grant_until bigint,
    new_denied_at bigint, new_review_owed boolean,
    new_action text, new_digest bytea, new_bucket bytea, new_key bytea, new_principals text[],
    copy_channels text[], copy_bodies text[], copy_dues bigint[],
    clock_at_most bigint, pending_below bigint, asks_below bigint, proposals_to bytea,
    traffic_counts_for bigint, proposals_count_for bigint,
    shared_lock bigint, locks bigint[],
    OUT clock bigint, OUT latest bigint, OUT now bigint, OUT changed bigint, OUT last_event bigint)
LANGUAGE plpgsql AS $$
DECLARE
    lock bigint;
BEGIN
    changed := 0;
    IF shared_lock IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(shared_lock);
    END IF;
    FOREACH lock IN ARRAY locks LOOP
        PERFORM pg_advisory_xact_lock(lock);
    END LOOP;
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, h.latest
        INTO clock, latest FROM head h;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    now := greatest(clock, latest, told);
    IF clock < greatest(latest, told) - 2000 OR clock > clock_at_most THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM requests r WHERE r.id = new_id)
        OR EXISTS (SELECT FROM archived a WHERE a.id = new_id)
        OR EXISTS (SELECT FROM keys k WHERE k.key = new_key)
        OR EXISTS (SELECT FROM requests r WHERE r.digest = new_digest AND r.decides)
        OR EXISTS (SELECT FROM requests r WHERE r.digest = new_digest AND r.denied_at IS NOT NULL)
        OR EXISTS (SELECT FROM requests r
            WHERE r.bucket = new_bucket AND r.denied_here_at > now - traffic_counts_for)
        OR EXISTS (SELECT FROM requests r
            WHERE r.proposed_to = proposals_to AND r.denied_here_at > now - proposals_count_for)
    THEN
        RETURN;
    END IF;
    IF pending_below IS NOT NULL AND pending_below <= (SELECT count(*) FROM (SELECT FROM requests r
        WHERE r.bucket = new_bucket AND r.phase = 'pending' LIMIT pending_below) AS pending) THEN
        RETURN;
    END IF;
    IF asks_below IS NOT NULL AND asks_below <= (SELECT count(*) FROM (SELECT FROM requests r
        WHERE r.bucket = new_bucket AND r.asked_at > now - traffic_counts_for
        LIMIT asks_below) AS asks) THEN
        RETURN;
    END IF;
    INSERT INTO requests (id, revision, schema, phase, record, due_at, awaited_by, decides,
        grant_until, denied_at, review_owed, changed_at, action, digest, bucket, asked_at, key)
        VALUES (new_id, new_revision, new_schema, new_phase, new_record, new_due_at,
        new_awaited_by, new_decides, new_grant_until, new_denied_at, new_review_owed, now,
        new_action, new_digest, new_bucket, now, new_key);
    IF new_key IS NOT NULL THEN
        INSERT INTO keys (key, request) VALUES (new_key, new_id);
    END IF;
    INSERT INTO requesters (principal, request) SELECT p, new_id FROM unnest(new_principals) AS p;
    INSERT INTO deliveries (request, channel, body, due, due_kept)
        SELECT new_id, d.channel, d.body, d.due, 1
        FROM unnest(copy_channels, copy_bodies, copy_dues) AS d (channel, body, due);
    UPDATE head h SET last_event = h.last_event + cardinality(event_ids),
        latest = greatest(h.latest, now)
        RETURNING h.last_event, h.latest INTO last_event, latest;
    INSERT INTO events (number, id, at, request, revision, what)
        SELECT last_event - cardinality(event_ids) + e.place, e.id,
            CASE WHEN not_after IS NULL OR latest < not_after THEN latest END,
            e.request, e.revision, e.what
        FROM unnest(event_ids, event_requests, event_revisions, event_whats)
            WITH ORDINALITY AS e (id, request, revision, what, place);
    changed := 1;
END
$$;
