//! Which cards a process sees, in which order: `CUDA_DEVICE_ORDER` and `CUDA_VISIBLE_DEVICES` as
//! the CUDA C++ Programming Guide has them. The variables are read elsewhere.

use trtbench_double_script::Card;

/// Indices of the visible cards in `cards`; that of device 0 first.
pub fn visible(cards: &[Card], order: Option<&str>, list: Option<&str>) -> Vec<usize> {
    let mut all: Vec<usize> = (0..cards.len()).collect();
    if order == Some("PCI_BUS_ID") {
        all.sort_by_key(|&index| cards[index].pci);
    } else {
        all.sort_by_key(|&index| cards[index].cuda_rank);
    }
    let Some(list) = list else { return all };
    let mut seen = Vec::new();
    for entry in list.split(',') {
        match find(cards, &all, entry.trim()) {
            Some(index) if !seen.contains(&index) => seen.push(index),
            // Whatever comes after an invalid entry is invisible.
            _ => break,
        }
    }
    seen
}

/// A number is a place in the present order, anything else the beginning of one card's UUID.
fn find(cards: &[Card], order: &[usize], entry: &str) -> Option<usize> {
    if let Ok(place) = entry.parse::<usize>() {
        return order.get(place).copied();
    }
    let begins = |index: &&usize| cards[**index].uuid.starts_with(entry);
    let mut found = order.iter().filter(begins);
    match (entry.starts_with("GPU-"), found.next(), found.next()) {
        (true, Some(&index), None) => Some(index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cards 0, 1, 2 on the bus; CUDA prefers 2, 0, 1.
    fn cards() -> Vec<Card> {
        let mut cards: Vec<Card> = (0..3).map(Card::numbered).collect();
        for (card, rank) in cards.iter_mut().zip([1, 2, 0]) {
            card.cuda_rank = rank;
        }
        cards
    }

    #[test]
    fn the_order_is_cudas_unless_the_bus_is_asked_for() {
        assert_eq!(visible(&cards(), None, None), [2, 0, 1]);
        assert_eq!(visible(&cards(), Some("FASTEST_FIRST"), None), [2, 0, 1]);
        assert_eq!(visible(&cards(), Some("PCI_BUS_ID"), None), [0, 1, 2]);
    }

    #[test]
    fn numbers_are_places_in_the_present_order() {
        assert_eq!(visible(&cards(), None, Some("1, 0")), [0, 2]);
        assert_eq!(visible(&cards(), Some("PCI_BUS_ID"), Some("1,0")), [1, 0]);
    }

    #[test]
    fn uuids_may_be_cut_short_where_one_card_is_meant() {
        let cards = cards();
        assert_eq!(visible(&cards, None, Some(&cards[1].uuid)), [1]);
        assert_eq!(visible(&cards, None, Some("GPU-00000002,GPU-00000000")), [2, 0]);
        assert_eq!(visible(&cards, None, Some("GPU-")), [0; 0]);
    }

    #[test]
    fn the_first_invalid_entry_ends_the_list() {
        for (list, expected) in [
            ("0,3,1", vec![2]),
            ("0,GPU-ffff,1", vec![2]),
            ("1,-1,0", vec![0]),
            ("0,0,1", vec![2]),
            ("0,MIG-0,1", vec![2]),
            ("-1", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(visible(&cards(), None, Some(list)), expected, "{list}");
        }
    }
}
