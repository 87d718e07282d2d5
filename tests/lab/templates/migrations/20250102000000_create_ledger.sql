CREATE TABLE buildings (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    city TEXT NOT NULL
);

CREATE TABLE ledger (
    id BIGINT PRIMARY KEY,
    building_id BIGINT NOT NULL REFERENCES buildings (id),
    booked_on DATE NOT NULL,
    cents BIGINT NOT NULL,
    memo TEXT NOT NULL
);

CREATE INDEX ledger_by_building ON ledger (building_id, booked_on);
