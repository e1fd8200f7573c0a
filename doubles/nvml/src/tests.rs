//! NVML without its C functions: order of the cards, readings, locked clocks.

use crate::{
    code::Code,
    locks::Domain,
    state::{Nvml, Sensor, Subject},
};
use std::{collections::BTreeMap, path::Path};
use trtbench_double_script::{Card, Fault, Kind, Ledger, Loaded, Play, Script, Series, Writer};

const CLOCK: Sensor<u32> = ("sm_clock_mhz", |readings| &readings.sm_clock_mhz);

fn nvml(script: Script, folder: &Path) -> Nvml {
    let path = folder.join("script.json");
    let ledger = Writer::open(&path).unwrap();
    let mut nvml = Nvml::new(Loaded { script, path, ledger });
    nvml.initialise();
    nvml
}

#[test]
fn cards_are_in_nvmls_order_whatever_cudas() {
    let folder = tempfile::tempdir().unwrap();
    let mut cards = [Card::numbered(0), Card::numbered(1)];
    (cards[0].nvml_rank, cards[1].nvml_rank) = (1, 0);
    let nvml = nvml(Script::with_cards(cards.clone()), folder.path());
    let first = nvml.by_index(0).unwrap();
    assert_eq!(nvml.card(first).unwrap().uuid, cards[1].uuid);
    assert_eq!(nvml.index(nvml.by_uuid(&cards[0].uuid).unwrap()), Ok(1));
    assert_eq!(nvml.by_pci(cards[1].pci), Ok(first));
    assert_eq!(nvml.by_index(2), Err(Code::ERROR_INVALID_ARGUMENT));
    assert_eq!(nvml.by_uuid("GPU-0"), Err(Code::ERROR_NOT_FOUND));
    assert_eq!(nvml.ready(Subject::Device(0)), Err(Code::ERROR_INVALID_ARGUMENT));
}

#[test]
fn a_sensor_moves_on_with_each_reading_and_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut cards = [Card::numbered(0), Card::numbered(1)];
    cards[0].readings.sm_clock_mhz = [1900, 1800].into();
    cards[1].readings.sm_clock_mhz = Series::unsupported();
    let mut nvml = nvml(Script::with_cards(cards), folder.path());
    let [first, second] = [0, 1].map(|index| nvml.by_index(index).unwrap());
    assert_eq!(nvml.peek(first, CLOCK), Ok(1900));
    let readings = [(); 3].map(|()| nvml.read(first, CLOCK));
    assert_eq!(readings, [Ok(1900), Ok(1800), Ok(1800)]);
    assert_eq!(nvml.read(second, CLOCK), Err(Code::ERROR_NOT_SUPPORTED));
}

#[test]
fn locked_clocks_are_seen_by_another_process_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::with_cards([Card::numbered(0)]);
    let mut one = nvml(script.clone(), folder.path());
    let mut other = nvml(script, folder.path());
    let card = one.by_index(0).unwrap();
    one.lock_clock(card, Domain::Graphics, Some((1400, 1410))).unwrap();
    one.lock_clock(card, Domain::Graphics, Some((1410, 1410))).unwrap();
    assert_eq!(other.read_clock(card, CLOCK, Domain::Graphics), Ok(1410));
    let refused = one.lock_clock(card, Domain::Graphics, Some((2, 1)));
    assert_eq!(refused, Err(Code::ERROR_INVALID_ARGUMENT));
    let live = || Ledger::read(&folder.path().join("script.json")).unwrap().live();
    assert_eq!(live(), BTreeMap::from([(Kind::Nvml, 2), (Kind::ClockLock, 1)]));
    other.lock_clock(card, Domain::Graphics, None).unwrap();
    other.lock_clock(card, Domain::Graphics, None).unwrap();
    assert_eq!(one.read_clock(card, CLOCK, Domain::Graphics), Ok(1695));
    one.shut_down();
    other.shut_down();
    assert_eq!(live(), BTreeMap::new());
    assert_eq!(one.ready(Subject::System), Err(Code::ERROR_UNINITIALIZED));
}

#[test]
fn a_fault_of_one_card_spares_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let cards = [Card::numbered(0), Card::numbered(1)];
    let fault = Fault::nvml("nvmlDeviceGetTemperature", 15).on(&cards[1].uuid).sticky();
    let mut nvml = nvml(Script::with_cards(cards).fault(fault), folder.path());
    let [first, second] = [0, 1].map(|index| Subject::Device(nvml.by_index(index).unwrap()));
    assert_eq!(nvml.play("nvmlDeviceGetTemperature", first), Play::Proceed);
    assert_eq!(nvml.play("nvmlDeviceGetTemperature", second), Play::Fail(15));
    assert_eq!(nvml.play("nvmlDeviceGetName", second), Play::Lost(15));
    assert_eq!(nvml.play("nvmlDeviceGetName", first), Play::Proceed);
}
