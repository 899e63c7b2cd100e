-- Nothing takes erased events out of the summaries of days any more, as 0.2.0 did. The upkeep of 0.1.0 may have summed up days after
-- 0024 had emptied them: so they are emptied again. Nobody is writing them, since this holds the lock of `erasures`.

lock table erasures in exclusive mode;

truncate summarised_days, property_counts, visits;
