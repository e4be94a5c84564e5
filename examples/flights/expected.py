#!/usr/bin/env python3
"""Computes expected.csv from the data, by other means than the module: Python's zoneinfo, and arrivals found as the reading nearest
to the scheduled arrival plus the delay, not as the first after the departure. Run it in this folder; it needs the system's tzdata."""

import csv
import sys
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

UTC = timezone.utc
NO_ZONE = "no time zone known for the airport"
SKIPPED = "clocks were set forward over this time"


class Reject(Exception):
    pass


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


ZONES = {row["faa"]: ZoneInfo(row["tzone"]) for row in read("data/airports.csv") if row["tzone"] != "NA"}


def number(text):
    return None if text == "NA" else int(text)


def on(day, clock):
    return datetime.combine(day, time()) + timedelta(hours=clock // 100, minutes=clock % 100)


def instant(zone, local):
    """The first of the instants at which a clock in the zone shows this."""
    result = local.replace(tzinfo=zone).astimezone(UTC)
    if result.astimezone(zone).replace(tzinfo=None) != local:
        raise Reject(SKIPPED)
    return result


def nearest(zone, clock, guess):
    """The reading of this clock that is nearest to the guess, both local."""
    return instant(zone, min((on(guess.date() + timedelta(days=d), clock) for d in (-1, 0, 1)), key=lambda t: abs(t - guess)))


def after(zone, clock, start):
    local = start.astimezone(zone).replace(tzinfo=None)
    return instant(zone, next(t for d in (0, 1) if (t := on(local.date() + timedelta(days=d), clock)) >= local))


def timed(row, flag):
    departed, arrived = number(row["dep_time"]), number(row["arr_time"])
    if departed is None and not flag:
        return None
    if row["origin"] not in ZONES or row["dest"] not in ZONES:
        raise Reject(NO_ZONE)
    origin, dest = ZONES[row["origin"]], ZONES[row["dest"]]
    scheduled = on(date(int(row["year"]), int(row["month"]), int(row["day"])), int(row["sched_dep_time"]))
    result = {"scheduled_departure": instant(origin, scheduled), "departure": None, "arrival": None}
    result["scheduled_arrival"] = after(dest, int(row["sched_arr_time"]), result["scheduled_departure"])
    if departed is not None:
        result["departure"] = nearest(origin, departed, scheduled + timedelta(minutes=int(row["dep_delay"])))
    if arrived is not None and row["arr_delay"] != "NA":
        due = result["scheduled_arrival"].astimezone(dest).replace(tzinfo=None)
        result["arrival"] = nearest(dest, arrived, due + timedelta(minutes=int(row["arr_delay"])))
    elif arrived is not None:  # diverted: the data has no delay
        result["arrival"] = after(dest, arrived, result["departure"])
    return result


def totals(path, flag):
    rows, loaded, filtered, rejects = read(path), [], 0, {NO_ZONE: 0, SKIPPED: 0}
    for row in rows:
        try:
            times = timed(row, flag)
            if times is None:
                filtered += 1
            else:
                loaded.append(row | times)
        except Reject as reject:
            rejects[str(reject)] += 1

    def seconds(column):
        return sum(int(row[column].timestamp()) for row in loaded if row[column])

    def minutes(column):
        return sum(number(row[column]) or 0 for row in loaded)

    yield "read", len(rows)
    yield "filtered", filtered
    for reason, count in rejects.items():
        yield f"rejected: {reason}", count
    yield "loaded", len(loaded)
    yield "cancelled", sum(row["departure"] is None for row in loaded)
    yield "departed", sum(row["departure"] is not None for row in loaded)
    yield "arrived", sum(row["arrival"] is not None for row in loaded)
    hours = [f"{row['scheduled_departure']:%Y-%m-%dT%H:00:00Z}" == row["time_hour"] for row in loaded]
    yield "scheduled_departure in time_hour", sum(hours)
    yield "distinct tailnum", len({row["tailnum"].strip().upper() for row in loaded} - {"NA", ""})
    yield "sum of distance", minutes("distance")
    for column in ("scheduled_departure", "departure", "scheduled_arrival", "arrival"):
        yield f"sum of {column}, epoch seconds", seconds(column)
    for column in ("dep_delay", "arr_delay", "air_time"):
        yield f"sum of {column}, minutes", minutes(column)
    yield "first departure, epoch seconds", int(min(row["departure"] for row in loaded if row["departure"]).timestamp())
    yield "last arrival, epoch seconds", int(max(row["arrival"] for row in loaded if row["arrival"]).timestamp())


def main():
    with open("expected.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["file", "cancelled", "measure", "value"])
        for name in ("flights-2013-01.csv", "flights-clock-changes.csv"):
            for option in ("flag", "filter"):
                for measure, value in totals(f"data/{name}", option == "flag"):
                    out.writerow([name, option, measure, value])


if __name__ == "__main__":
    sys.exit(main())
