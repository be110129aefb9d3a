-- What a sink has noted of itself.
CREATE TABLE seals (
    sink text PRIMARY KEY,
    seal text NOT NULL
) WITH (fillfactor = 50);
