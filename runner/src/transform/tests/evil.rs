//! Modules that lie or misbehave: each is stopped, and the error says by name what it did.

use super::*;
use crate::units::ByteSize;

fn stopped(engine: &Engine, name: &str) -> Stopped {
    let modules = Modules::new();
    match run(engine, modules.guest(name)) {
        Err(Error::Stopped(stopped)) => *stopped,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_lie_about_a_batch_is_named() {
    let engine = engine();
    let cases = [
        ("offsets-backwards", "column `made`: offset 2 is 3, less than 5"),
        ("offsets-outside", "last offset is 900, but there are 3 bytes of data"),
        ("offsets-late", "first offset is 1, not 0"),
        ("offsets-negative", "offset 1 is -1, less than 0"),
        ("offsets-short", "offsets of 8 bytes, where 12 belong"),
        ("data-unused", "last offset is 3, but there are 4 bytes of data"),
        ("utf8-broken", "row 0 is not UTF-8"),
        ("utf8-split", "row 0 is not UTF-8"),
        ("validity-long", "validity of 2 bytes, where 1 belong"),
        ("null-unplanned", "row 1 is NULL, but its plan says that no row is"),
        ("columns-missing", "0 columns; its plan makes 1"),
        ("columns-extra", "2 columns; its plan makes 1"),
        ("origin-outside", "origin 2 in a batch of 2 rows"),
        ("origin-long", "3 origins for 2 rows"),
        ("rows-many", "4294967295 rows without an origin, but 2 rows of the batch were not rejected"),
        ("rows-missing", "1 rows without an origin, but 2 rows of the batch were not rejected"),
        ("emitted-and-rejected", "row 1 is both emitted and rejected"),
        ("rejects-outside", "it rejects row 7 of a batch of 2 rows"),
        ("rejects-twice", "it rejects row 1 twice"),
        ("reason-broken", "invalid utf-8 sequence"),
        ("list-4gib", "list pointer/length out of bounds"),
        ("origin-4gib", "list pointer/length out of bounds"),
        ("discriminant-wild", "invalid expected discriminant"),
    ];
    for (name, expected) in cases {
        let stopped = stopped(&engine, name);
        let text = stopped.to_string();
        assert!(matches!(&stopped.why, Why::Lie(what) if what.contains(expected)), "{name}: {text}");
        assert_eq!((stopped.call, stopped.rows), (Call::Transform, Some(0..2)), "{name}");
        assert!(text.contains(&format!("{name}.wasm was stopped in transform")), "{text}");
    }
}

#[test]
fn a_lie_in_a_plan_is_named_before_any_row() {
    let engine = engine();
    let outside = stopped(&engine, "plan-reads-outside");
    assert!(matches!(&outside.why, Why::Lie(what) if what.contains("column 77, but the input has 1")));
    let wild = stopped(&engine, "scalar-wild");
    assert!(matches!(&wild.why, Why::Lie(_)), "{wild}");
    assert_eq!((outside.call, wild.call, wild.rows), (Call::Plan, Call::Plan, None));
}

#[test]
fn words_of_a_module_are_bounded_and_escaped() {
    let engine = engine();
    assert_eq!(stopped(&engine, "err").why, Why::Err("bad \\u{1b}[31m row!".into()));
    let refused = stopped(&engine, "plan-err");
    assert_eq!((refused.call, refused.why), (Call::Plan, Why::Err("needs column `email`".into())));
    let modules = Modules::new();
    let outcome = run(&engine, modules.guest("reason-long")).unwrap();
    let (row, reason) = &outcome.rejects[0];
    assert!(*row == 1 && reason.starts_with("\\u{1b}[31mred\\u{0}") && reason.len() <= 200, "{reason}");
}

#[test]
fn a_trap_names_the_functions_that_were_running() {
    let engine = engine();
    let plan = stopped(&engine, "plan-trap");
    assert!(matches!(&plan.why, Why::Trap(what) if what.contains("unreachable")));
    assert_eq!((plan.call, &plan.frames[0][..]), (Call::Plan, "explode"));
    let transform = stopped(&engine, "transform-trap");
    assert_eq!(transform.why, Why::Trap("integer divide by zero".into()));
    assert_eq!((&transform.frames[0][..], transform.rows.clone()), ("ratio", Some(0..2)));
    let text = transform.to_string();
    assert!(text.contains("rows 1 to 2 of the batch; in ratio < "), "{text}");
}

/// Where a module traps in a function of that name.
fn frames_of(name: &str) -> Vec<String> {
    let modules = Modules::new();
    let text = modules.whole("transform-trap").replace("$ratio", &format!("$\"{name}\""));
    match run(&engine(), modules.text("named", &text)) {
        Err(Error::Stopped(stopped)) => {
            assert!(stopped.reason().len() < 1500, "{} bytes", stopped.reason().len());
            stopped.frames
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_of_functions_are_bounded_whatever_they_are_made_of() {
    assert_eq!(frames_of("_ZN7flights5local17h0123456789abcdefE")[0], "flights::local");
    assert_eq!(
        frames_of("os error 1 (fuel allocated for hostcalls)")[0],
        "os error 1 (fuel allocated for hostcalls)"
    );
    // As many lines as there would be frames.
    let lines = frames_of(&"f\\n - !a".repeat(10_000));
    assert!(lines.len() <= 8 && lines.iter().all(|name| name.len() <= 103), "{lines:?}");
    // Each part names the one before a thousand times: all of it would fill any memory.
    let parts: String =
        (0..16).map(|part| format!("1{}I{}E", (b'A' + part) as char, "S0_".repeat(1000))).collect();
    assert!(frames_of(&format!("_Z1f1AIiE{parts}"))[0].starts_with("_Z1f1AIiE1AIS0_S0_"));
}

#[test]
fn a_name_does_not_change_what_a_stop_is_taken_for() {
    let stopped = stopped(&engine(), "log-broken");
    assert!(matches!(&stopped.why, Why::Lie(what) if what.contains("utf-8")), "{stopped}");
    assert!(stopped.frames.contains(&"os error 1: fuel allocated for hostcalls".into()), "{stopped}");
}

#[test]
fn an_endless_loop_ends_at_the_time_limit_wherever_it_is() {
    let engine = impatient();
    for (name, call) in
        [("plan-loop", Call::Plan), ("transform-loop", Call::Transform), ("start-loop", Call::Start)]
    {
        let stopped = stopped(&engine, name);
        assert_eq!(
            (stopped.call, stopped.why),
            (call, Why::Time(Span(Duration::from_millis(500)))),
            "{name}"
        );
    }
}

#[test]
fn calls_that_nest_for_ever_end_at_the_stack_limit() {
    let stopped = stopped(&engine(), "recursion");
    assert_eq!(stopped.why, Why::Stack(ByteSize(512 << 10)));
    assert!(stopped.frames.len() <= 8, "{stopped}");
}

#[test]
fn growth_to_65536_pages_ends_at_the_memory_limit() {
    let engine = engine();
    let grown = stopped(&engine, "memory-grow");
    let limit = ByteSize(256 << 20);
    assert!(matches!(grown.why, Why::Memory { limit: l, wanted } if l == limit && wanted > limit), "{grown}");
    let started = stopped(&engine, "memory-start");
    assert_eq!(started.call, Call::Start);
    assert_eq!(started.why, Why::Memory { limit, wanted: ByteSize(4 << 30) });
}

#[test]
fn a_module_that_can_do_without_more_memory_goes_on() {
    let modules = Modules::new();
    assert_eq!(run(&engine(), modules.guest("memory-modest")).unwrap().rows, 2);
}

#[test]
fn a_table_that_grows_for_ever_ends_at_its_limit() {
    let stopped = stopped(&engine(), "table-grow");
    assert!(matches!(stopped.why, Why::Tables { limit: 100_000, wanted: 100_001.. }), "{stopped}");
}

#[test]
fn lists_that_alias_one_buffer_end_at_the_output_limit() {
    let stopped = stopped(&engine(), "list-alias");
    assert_eq!(stopped.why, Why::Output("it answered more than 64 MiB (output)".into()));
}

#[test]
fn booleans_in_arrays_count_as_bytes() {
    let stopped = stopped(&engine(), "bits-many");
    let expected = "it answered more than 64 MiB (output), where a boolean in an array counts as a byte";
    assert_eq!(stopped.why, Why::Output(expected.into()));
    let modules = Modules::new();
    let output = ByteSize(72 << 20);
    let enough = Engine::new(&Settings { output, ..Settings::default() }, None).unwrap();
    assert_eq!(run(&enough, modules.guest("bits-many")).unwrap().rows, 2);
}

#[test]
fn an_allocator_that_hands_out_wild_addresses_is_stopped() {
    let engine = engine();
    for name in ["realloc-wild", "realloc-crooked"] {
        let stopped = stopped(&engine, name);
        assert!(matches!(&stopped.why, Why::Lie(what) if what.contains("realloc")), "{stopped}");
    }
}

#[test]
fn a_flood_of_log_lines_is_cut_and_harms_nobody() {
    let modules = Modules::new();
    assert_eq!(run(&engine(), modules.guest("log-flood")).unwrap().rows, 2);
}

#[test]
fn a_module_that_was_stopped_starts_anew_with_new_instances() {
    let engine = engine();
    let modules = Modules::new();
    let (fields, columns) = two_rows();
    let chain = Chain::plan(&engine, &[module(modules.guest("trap-later"))], &fields).unwrap();
    let mut instance = chain.open().unwrap();
    for _ in 0..3 {
        assert_eq!(instance.apply(2, &columns).unwrap().rows, 2);
        assert_eq!(instance.apply(2, &columns).unwrap().rows, 2);
        let error = instance.apply(2, &columns).unwrap_err();
        let stopped = error.of_rows().unwrap();
        assert_eq!(stopped.why.code(), Some("trap"));
        let reason = stopped.reason();
        let start =
            "module trap-later.wasm: it trapped: wasm `unreachable` instruction executed; in third < ";
        assert!(reason.starts_with(start) && !reason.contains("rows"), "{reason}");
        assert!(instance.apply(2, &columns).is_err(), "a trapped instance answers no more");
        instance.reopen().unwrap();
    }
}

/// No guest can do so as long as it gets nothing of the world: its place is taken by another one.
#[test]
fn an_instance_that_plans_otherwise_than_the_first_is_refused_at_any_time() {
    let engine = engine();
    let modules = Modules::new();
    let plan = || Chain::plan(&engine, &[module(modules.guest("honest-echo"))], &two_rows().0).unwrap();
    let other = module::Module::load(&engine, &modules.guest("honest-filter")).unwrap();
    let exchange = |inner: &mut Arc<chain::Inner>| {
        Arc::get_mut(inner).unwrap().modules[0].module = Arc::clone(&other);
    };
    let is_refused = |error: Error| {
        let text = error.to_string();
        assert!(error.of_rows().is_none(), "{text}");
        assert!(text.contains("stopped in plan: a second instance planned something else"), "{text}");
    };
    let mut instance = plan().open().unwrap();
    instance.reopen().unwrap();
    exchange(&mut instance.chain);
    is_refused(instance.reopen().unwrap_err());
    let mut chain = plan();
    chain.open().unwrap();
    exchange(&mut chain.inner);
    is_refused(chain.open().unwrap_err());
}

#[test]
fn what_is_nobodys_row_is_told_from_what_is_about_rows() {
    let engine = engine();
    let modules = Modules::new();
    for (name, about_rows) in [
        ("transform-trap", true),
        ("utf8-broken", true),
        ("err", false),
        ("plan-trap", false),
        ("memory-start", false),
    ] {
        let error = run(&engine, modules.guest(name)).unwrap_err();
        assert_eq!(error.of_rows().is_some(), about_rows, "{name}");
    }
    assert!(Error::Bug("ours".into()).of_rows().is_none());
}

#[test]
fn reasons_beyond_a_hundred_become_other() {
    let (fields, _) = two_rows();
    let chain = Chain::plan(&engine(), &[], &fields).unwrap();
    let mut rejects: Vec<(u32, String)> = (0..150).map(|row| (row, format!("reason {row}"))).collect();
    chain.inner.group(&mut rejects);
    let others = rejects.iter().filter(|(_, reason)| reason == "other").count();
    assert_eq!((others, rejects[99].1.as_str()), (50, "reason 99"));
    let mut again = vec![(0, "reason 7".to_owned()), (1, "new".to_owned())];
    chain.inner.group(&mut again);
    assert_eq!(again, [(0, "reason 7".to_owned()), (1, "other".to_owned())]);
}
