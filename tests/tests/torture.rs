//! Crashes at every step of the protocol and at random moments: the same command again until it is done, then rows
//! and rejects are compared by content. `make torture` does the same a thousand times.

use etl::failpoint::Point;
use etl_tests::bed::Bed;
use etl_tests::customers::{self, WithRejects, csv_with_rejects};
use etl_tests::torture::{Load, Torture, die_at, finish};

async fn bed(database: &str, customers: &WithRejects, run: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(customers::TABLE).await;
    bed.sql(&customers.constraint).await;
    bed.folder.write("customers.csv", &customers.file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe(&format!("[run]\nmax_rejects = 1000000\n{run}\n{table}"));
    bed
}

#[tokio::test]
async fn every_failpoint_is_met_and_survived() {
    let customers = csv_with_rejects(5000, 10, 500);
    let run = "streams = 2\nsplit_bytes = \"64 KiB\"\nchunk_rows = 100";
    let bed = bed("torture_points", &customers, run).await;
    for point in Point::ALL {
        // Not at once, where there is more than one of it: some are before it.
        let nth = if point > Point::SplitsAdded && point < Point::Finishing { 2 } else { 1 };
        let ran = die_at(&bed, point, nth).await;
        assert_eq!(ran.code, None, "{point:?} was not met: {ran:?}");
    }
    finish(&bed, 8).await;
    customers.is_loaded_by(&bed.client).await;
    assert_eq!(bed.is_finished().await, 5000);
}

#[tokio::test]
async fn forty_kills_leave_exactly_the_rows_and_the_rejects_of_the_file() {
    let customers = csv_with_rejects(50_000, 50, 5000);
    let bed =
        bed("torture_csv", &customers, "streams = 3\nsplit_bytes = \"512 KiB\"\nchunk_rows = 500").await;
    let mut torture = Torture::of(40);
    while let Some(mut random) = torture.next_load() {
        bed.forget("customers").await;
        torture.load(&bed, Load { chunks: 100, code: 8 }, &mut random).await;
        customers.is_loaded_by(&bed.client).await;
        assert_eq!(bed.is_finished().await, 50_000);
    }
}
