-- What is in public.flights, as expected.csv says it should be: measure and value.
select measure, value
from (
    select
        count(*) as n,
        count(*) filter (where cancelled) as cancelled,
        count(departure) as departed,
        count(arrival) as arrived,
        count(*) filter (where date_trunc('hour', scheduled_departure) = time_hour) as hour_agrees,
        count(distinct tailnum) as tailnums,
        sum(distance) as distance,
        sum(extract(epoch from scheduled_departure))::bigint as scheduled_departure,
        sum(extract(epoch from departure))::bigint as departure,
        sum(extract(epoch from scheduled_arrival))::bigint as scheduled_arrival,
        sum(extract(epoch from arrival))::bigint as arrival,
        (extract(epoch from sum(dep_delay)) / 60)::bigint as dep_delay,
        (extract(epoch from sum(arr_delay)) / 60)::bigint as arr_delay,
        (extract(epoch from sum(air_time)) / 60)::bigint as air_time,
        extract(epoch from min(departure))::bigint as first_departure,
        extract(epoch from max(arrival))::bigint as last_arrival
    from public.flights
) as t
cross join lateral (values
    (1, 'loaded', n),
    (2, 'cancelled', cancelled),
    (3, 'departed', departed),
    (4, 'arrived', arrived),
    (5, 'scheduled_departure in time_hour', hour_agrees),
    (6, 'distinct tailnum', tailnums),
    (7, 'sum of distance', distance),
    (8, 'sum of scheduled_departure, epoch seconds', scheduled_departure),
    (9, 'sum of departure, epoch seconds', departure),
    (10, 'sum of scheduled_arrival, epoch seconds', scheduled_arrival),
    (11, 'sum of arrival, epoch seconds', arrival),
    (12, 'sum of dep_delay, minutes', dep_delay),
    (13, 'sum of arr_delay, minutes', arr_delay),
    (14, 'sum of air_time, minutes', air_time),
    (15, 'first departure, epoch seconds', first_departure),
    (16, 'last arrival, epoch seconds', last_arrival)
) as m (place, measure, value)
order by place;
