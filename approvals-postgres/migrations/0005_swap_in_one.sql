-- What a swap takes of the server, made less. Processes of the version before go on with what they
-- call.

-- Where the server has lz4, records are compressed by it from their next change on: pglz took a quarter
-- of what a swap cost. PostgreSQL 13, and a server that was built without lz4, go on with pglz. So does
-- one where somebody holds the table for long, as a dump does: whatever wants the table would wait
-- behind this. The statement can be given by hand later.
DO $$
DECLARE
    before text := current_setting('lock_timeout');
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    EXECUTE 'ALTER TABLE requests ALTER COLUMN record SET COMPRESSION lz4';
    PERFORM set_config('lock_timeout', before, true);
EXCEPTION WHEN syntax_error OR feature_not_supported OR lock_not_available THEN
    NULL;
END
$$;

-- What `swap_at_once` does, by fewer statements: a lock and a notification are expressions, and what
-- stands against it is read with the clock, by a statement that begins after the locks were taken. It
-- returns the clock, the latest time before, the time now and the number of the last event, or null
-- where nothing was changed: an array, since a row has to be described each time.
CREATE FUNCTION swap_in_one(
    event_ids bytea[], event_requests bytea[], event_revisions bigint[], event_whats text[],
    told bigint, not_after bigint,
    new_id bytea, new_revision bigint, new_schema bigint, new_phase text, new_record text,
    new_due_at bigint, new_awaited_by bytea, new_decides boolean, new_grant_until bigint,
    new_denied_at bigint, new_review_owed boolean,
    denied_by_vote boolean, new_proposed_to bytea,
    decided boolean, told_on text, told_what text,
    clock_at_most bigint, schema_at_most bigint, unfrozen boolean, stands boolean, new_digest bytea,
    shared_lock bigint, locks bigint[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    lock bigint;
    was text;
    clock bigint;
    latest bigint;
    now bigint;
    hindered boolean;
    last_event bigint;
    done boolean;
BEGIN
    IF shared_lock IS NOT NULL THEN
        done := pg_advisory_xact_lock_shared(shared_lock) IS NULL;
    END IF;
    FOREACH lock IN ARRAY locks LOOP
        done := pg_advisory_xact_lock(lock) IS NULL;
    END LOOP;
    SELECT r.phase INTO was FROM requests r
        WHERE r.id = new_id AND r.revision = new_revision - 1 AND r.schema <= schema_at_most
        FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- No equal call decides.
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, h.latest,
        unfrozen AND EXISTS (SELECT FROM frozen)
        OR stands AND EXISTS (SELECT FROM requests e WHERE e.digest = new_digest AND e.decides
            AND e.phase IN ('executing', 'in_doubt') AND e.id <> new_id)
        INTO clock, latest, hindered FROM head h;
    IF NOT FOUND OR hindered THEN
        RETURN NULL;
    END IF;
    now := greatest(clock, latest, told);
    -- The clock goes on as it should, and the deadline has not come.
    IF clock < greatest(latest, told) - 2000 OR clock > clock_at_most OR not_after <= now THEN
        RETURN NULL;
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
        done := pg_notify(told_on, told_what) IS NULL;
    END IF;
    RETURN ARRAY[clock, latest, now, last_event];
END
$$;
