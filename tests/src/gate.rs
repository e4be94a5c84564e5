//! A gate in front of a table of the target: how far a load may go is the test's choice, not the machine's.
//!
//! Must not know what is loaded.

use crate::bed::{Bed, Process, until};

/// Lets chunks into a table one by one: each further one waits inside its transaction. As many as there are streams
/// may come through together, so a load ends at most that many chunks too far.
#[derive(Clone, Copy)]
pub struct Gate<'a>(&'a Bed);

impl<'a> Gate<'a> {
    /// In front of a table; closed at first.
    pub async fn close(bed: &'a Bed, table: &str) -> Gate<'a> {
        bed.sql(&format!(
            "CREATE TABLE public.gate (open bigint); INSERT INTO public.gate VALUES (0);
             CREATE FUNCTION public.pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 WHILE (SELECT coalesce(sum(chunks), 0) FROM etl.ledger) >= (SELECT open FROM public.gate) LOOP
                     PERFORM pg_sleep(0.005);
                 END LOOP;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER pass AFTER INSERT ON public.{table} FOR EACH STATEMENT EXECUTE FUNCTION public.pass()"
        ))
        .await;
        Gate(bed)
    }

    /// The gate that was closed before.
    pub fn of(bed: &'a Bed) -> Gate<'a> {
        Gate(bed)
    }

    /// Lets through until the ledger has so many chunks.
    pub async fn open(&self, chunks: i64) {
        self.0.sql(&format!("UPDATE public.gate SET open = {chunks}")).await;
    }

    /// Lets everything through.
    pub async fn open_wide(&self) {
        self.open(i64::MAX).await;
    }

    /// Waits until so many chunks are committed, or `etl` ended.
    pub async fn reached(&self, chunks: i64, etl: &mut Process) {
        let committed = async || self.0.progress().await.chunks >= chunks;
        until("the chunks", async || (committed().await || etl.has_ended()).then_some(())).await;
    }

    /// Waits until a chunk stands in front of it.
    pub async fn somebody_waits(&self, etl: &mut Process) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event = 'PgSleep'";
        let waits = async || self.0.number(waiting).await > 0;
        until("a chunk in front of the gate", async || (waits().await || etl.has_ended()).then_some(()))
            .await;
    }

    /// After a `kill -9`: a server process that sleeps does not see that its client is gone. Ends them all.
    pub async fn disperse(&self) {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name LIKE 'etl/%'";
        self.0.number(end).await;
        self.0.quiet().await;
    }

    /// After a `kill -9`: lets through what is left of it, which commits or does not, and waits until it is gone.
    pub async fn settle(&self) {
        self.open_wide().await;
        self.0.quiet().await;
        self.open(0).await;
    }
}
