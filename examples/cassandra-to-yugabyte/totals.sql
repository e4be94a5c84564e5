-- What has arrived, by kind and currency.
SELECT kind, currency, count(*) AS rows, sum(amount) AS amount, count(other_name) AS named,
       count(details) AS with_details, sum(cardinality(tags)) AS tags
FROM public.transactions GROUP BY 1, 2 ORDER BY 1, 2;
