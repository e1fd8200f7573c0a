//! Cells on cards, against stand-ins for NVIDIA's libraries: what is measured is what the script
//! says, to the nanosecond, and nothing stays allocated.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod simulated;

use common::{FAST, Ran, Sandbox, program, scenario};
use doubles::Doubles;
use simulated::{assert_all_freed, assert_times, launches, on_cards, run, two_cards};
use trtbench::store::RecordOutcome;
use trtbench_double_script::Script;

#[test]
fn stages_on_each_card_take_the_time_that_the_card_says_to_the_nanosecond() {
    for (keys, transfers) in [
        ("", true),
        ("transfers = \"pageable\"", true),
        ("transfers = \"none\"", false),
        ("streams = 3", true),
        ("wait = \"block\"", true),
        ("cuda_graph = true", true),
    ] {
        let (sandbox, doubles) = (Sandbox::new(), Doubles::new(&Script::with_cards(two_cards())));
        on_cards(&sandbox, keys);
        let few = ["run", "cards.toml", "--out", "out", "--set", "measure.max_samples=5"];
        run(&sandbox, &doubles, &few).succeeds();
        let launches = launches(&sandbox);
        for launch in &launches {
            let RecordOutcome::Measured(measured) = &launch.record.outcome else { panic!() };
            assert!(measured.facts.telemetry.is_some());
        }
        assert_eq!(launches.len(), 8, "two cards, two batches, two launches");
        assert_times(launches.iter(), transfers);
        assert_all_freed(&doubles);
    }
}

#[test]
fn visible_devices_are_counted_in_the_order_that_the_user_has_asked_for() {
    let doubles = Doubles::new(&Script::with_cards(two_cards()));
    let sandbox = Sandbox::new();
    let usable = |order: Option<&str>| {
        let mut command = program(&sandbox.path(""));
        doubles.prepare(&mut command).args(["devices", "--json"]);
        command.env("CUDA_VISIBLE_DEVICES", "0");
        command.envs(order.map(|order| ("CUDA_DEVICE_ORDER", order)));
        let gpus = Ran::from(command.output().unwrap()).succeeds().json()["gpus"].clone();
        let gpus: Vec<serde_json::Value> = gpus.as_array().unwrap().clone();
        assert_eq!(gpus.len(), 2, "NVML lists both");
        let usable: Vec<String> = gpus
            .iter()
            .filter(|gpu| !gpu["cuda"].is_null())
            .map(|gpu| gpu["name"].as_str().unwrap().to_owned())
            .collect();
        usable.concat()
    };
    assert!(usable(None).ends_with("RTX 3070"), "CUDA's own order: the fastest first");
    assert!(usable(Some("PCI_BUS_ID")).ends_with("GTX 1050 Ti"));
}

#[test]
fn a_table_of_a_card_that_is_not_here_is_named() {
    let doubles = Doubles::new(&Script::with_cards(two_cards()));
    let sandbox = Sandbox::new();
    let text = format!(
        "{}\n[device.\"gpu:4090\"]\nlock_clock_mhz = 1500\n",
        scenario("null", "device = [\"gpu:3070\"]", FAST)
    );
    sandbox.scenario("s.toml", &text);
    let ran = run(&sandbox, &doubles, &["check", "s.toml"]);
    ran.succeeds();
    assert!(ran.err.contains("[device.\"gpu:4090\"] has no effect here"), "{ran:#?}");
    assert!(ran.err.contains("NVIDIA GeForce RTX 3070"), "{ran:#?}");
}

#[test]
fn a_key_of_a_device_is_overridden_as_it_is_written_in_toml() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let set = "device.\"gpu:1.5\".lock_clock_mhz=99";
    let ran = sandbox.run(&["check", "null.toml", "--set", set]);
    ran.fails(2, &["lock_clock_mhz", "99 is out of range", "100 to 10000"]);
    let named = sandbox.run(&["check", "null.toml", "--set", "device.\"gpu:1.5\".nothing=1"]);
    named.fails(2, &["nothing", "lock_clock_mhz"]);
}

#[test]
fn a_limit_on_memory_is_refused_where_there_are_cards() {
    let sandbox = Sandbox::new();
    on_cards(&sandbox, "");
    let set = ["check", "cards.toml", "--set", "measure.max_memory_mib=4096"];
    sandbox.run(&set).fails(2, &["measure.max_memory_mib", "address space", "leave it out"]);
}

#[test]
fn layers_that_are_not_known_leave_cells_on_cards_as_they_are() {
    let (sandbox, doubles) = (Sandbox::new(), Doubles::new(&Script::with_cards(two_cards())));
    on_cards(&sandbox, "");
    let ran = run(&sandbox, &doubles, &["run", "cards.toml", "--out", "out", "--layers"]);
    assert!(ran.succeeds().out.contains("its layers are not known"), "{}", ran.out);
    assert_times(&launches(&sandbox), true);
    assert_all_freed(&doubles);
}
