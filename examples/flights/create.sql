-- The table that recipe.toml loads.
create table public.flights (
    carrier             text        not null,
    flight              integer     not null,
    tailnum             text,
    origin              text        not null,
    dest                text        not null,
    scheduled_departure timestamptz not null,
    departure           timestamptz,
    scheduled_arrival   timestamptz not null,
    arrival             timestamptz,
    dep_delay           interval,
    arr_delay           interval,
    air_time            interval,
    distance            integer     not null, -- miles
    time_hour           timestamptz not null, -- the hour of the scheduled departure, from the data itself
    cancelled           boolean     not null default false,
    primary key (scheduled_departure, carrier, flight)
);
