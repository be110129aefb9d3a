INSERT INTO versions (version, oldest) VALUES (3, 1);

-- What a sink has noted of itself.
CREATE TABLE seals (
    sink TEXT PRIMARY KEY,
    seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;
