-- Why rows were rejected, and which: the original has what was read.
SELECT stage, code, reason, count(*) AS rows FROM etl.reject WHERE name = 'bank' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3;

SELECT DISTINCT original->>'account' AS account, original->>'holder' AS holder
FROM etl.reject WHERE name = 'bank' AND reason = 'account has wrong check digits';

SELECT original->>'account' AS account, original->>'posted' AS posted, original->>'amount' AS amount,
       original->>'currency' AS currency
FROM etl.reject WHERE name = 'bank' AND reason LIKE 'amount is finer%' ORDER BY 1, 2 LIMIT 3;
