//! Charts of made-up runs: what must be in them, and that nothing makes them fail.

use super::{
    Chart, MOST_CELLS, all, letters,
    synthetic::{cell, lifelike, run, sample},
};
use crate::{
    analysis,
    device::Kind,
    engine::{Layer, Runtime},
    runner::LayerPass,
    scenario::PreprocessOn,
    store::Run,
    timing::Sample,
    unit::Nanos,
};

fn charts(run: &Run) -> Vec<Chart> {
    let charts = all(run, &analysis::cells(run)).unwrap();
    for chart in &charts {
        assert!(chart.svg.starts_with("<svg ") && chart.svg.trim_end().ends_with("</svg>"));
        assert!(!chart.svg.contains("NaN") && !chart.svg.contains("\"inf"), "{}", chart.name);
        assert!(chart.svg.len() < 500_000, "{} is {} bytes", chart.name, chart.svg.len());
        assert!(chart.png.starts_with(b"\x89PNG"));
        assert_text_fits(chart);
    }
    charts
}

const ENTITIES: [(&str, &str); 5] =
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];

/// Text that begins at its place must end before the right edge, and one that ends there begin after
/// the left.
fn assert_text_fits(chart: &Chart) {
    let number = |text: &str, key: &str| {
        let (_, rest) = text.split_once(&format!(" {key}=\""))?;
        rest.split('"').next()?.parse::<f64>().ok()
    };
    let (_, view) = chart.svg.split_once("viewBox=\"0 0 ").unwrap();
    let edge: f64 = view.split(' ').next().unwrap().parse().unwrap();
    for element in chart.svg.split("<text").skip(1) {
        let (tag, rest) = element.split_once('>').unwrap();
        let mut text = rest.split("</text>").next().unwrap().trim().to_owned();
        for (escaped, plain) in ENTITIES {
            text = text.replace(escaped, plain);
        }
        let text = text.as_str();
        if tag.contains("text-anchor=\"start\"") {
            let (x, size) = (number(tag, "x").unwrap(), number(tag, "font-size").unwrap());
            let end = x + letters::width(text, size);
            assert!(end <= edge, "{}: `{text}` ends at {end} of {edge}", chart.name);
        }
        if tag.contains("text-anchor=\"end\"") {
            let (x, size) = (number(tag, "x").unwrap(), number(tag, "font-size").unwrap());
            let start = x - letters::width(text, size);
            assert!(start >= 0.0, "{}: `{text}` begins at {start}", chart.name);
        }
    }
}

fn one(samples: Vec<Vec<Sample>>) -> Vec<Chart> {
    charts(&run(vec![(cell("m", "ort", 1), samples)]))
}

fn names(charts: &[Chart]) -> Vec<&str> {
    charts.iter().map(|chart| chart.name.as_str()).collect()
}

#[test]
fn each_measured_cell_has_its_charts_under_its_hash() {
    let (first, second) = (cell("m", "ort", 1), cell("m", "ort", 4));
    let hashes = [first.hash(), second.hash()];
    let run = run(vec![(first, lifelike(8_000_000, 2, 40)), (second, lifelike(30_000_000, 2, 40))]);
    let mut wanted = vec!["stages".to_owned(), "throughput".to_owned()];
    for hash in hashes {
        wanted.extend([format!("distribution-{hash}"), format!("latency-{hash}")]);
    }
    assert_eq!(names(&charts(&run)), wanted);
}

#[test]
fn without_numbers_there_are_no_charts() {
    assert!(charts(&run(Vec::new())).is_empty());
    assert!(one(Vec::new()).is_empty());
    assert!(one(vec![Vec::new()]).is_empty());
}

#[test]
fn throughput_needs_two_batches_of_the_same_thing() {
    let cells = [cell("m", "ort", 1), cell("m", "rten", 4)];
    let run = run(cells.map(|cell| (cell, lifelike(1_000_000, 1, 20))).to_vec());
    assert!(!names(&charts(&run)).contains(&"throughput"));
}

#[test]
fn times_that_leave_no_range_are_drawn() {
    let extremes = [[0; 4], [1; 4], [1_000_000; 4], [u64::MAX; 4], [0, 0, u64::MAX, 0]];
    for times in extremes {
        for count in [1, 2, 100] {
            assert_eq!(one(vec![vec![sample(times, false, false); count]]).len(), 3);
        }
    }
}

#[test]
fn samples_that_are_all_warm_up_are_no_numbers() {
    assert!(one(vec![vec![sample([5; 4], true, false); 10]]).iter().all(|c| c.name != "stages"));
}

#[test]
fn many_samples_stay_small_and_say_that_they_are_thinned() {
    let charts = one(lifelike(2_000_000, 3, 40_000));
    let latency = charts.iter().find(|chart| chart.name.starts_with("latency")).unwrap();
    assert!(latency.svg.contains("120\u{a0}000 iterations are too many"));
    let all_preempted = vec![vec![sample([7_000; 4], false, true); 2_500]];
    assert!(one(all_preempted).iter().any(|chart| chart.svg.contains("had to wait")));
}

#[test]
fn names_are_escaped_and_control_characters_are_shown() {
    let name = "<&\"'>\n\u{1}";
    let cells = [1, 2].map(|batch| (cell(name, "ort", batch), lifelike(1_000_000, 2, 20)));
    for chart in charts(&run(cells.to_vec())) {
        assert!(!chart.svg.contains("<&"), "{}", chart.name);
        assert!(chart.svg.contains("&lt;&amp;&quot;&apos;&gt;\\n\\u{1}"), "{}", chart.name);
    }
}

#[test]
fn charts_say_what_made_them_and_name_fonts_that_viewers_have() {
    for chart in one(lifelike(1_000_000, 2, 20)) {
        for part in ["20261122T052843Z-made-up", "trtbench 0.1.0", "Imaginary Processor 9000"] {
            assert!(chart.svg.contains(part), "no {part} in {}", chart.name);
        }
        assert!(chart.svg.contains("font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\""));
        let source = b"run 20261122T052843Z-made-up by trtbench 0.1.0";
        assert!(chart.png.windows(source.len()).any(|bytes| bytes == source));
    }
}

#[test]
fn many_cells_are_split_and_only_the_first_have_charts_of_their_own() {
    let cells = (1..=70).map(|n| (cell("m", "ort", n), vec![vec![sample([9; 4], false, false)]]));
    let charts = charts(&run(cells.collect()));
    assert_eq!(names(&charts)[..3], ["stages", "stages-2", "throughput"]);
    assert_eq!(charts.len(), 3 + 2 * MOST_CELLS);
}

#[test]
fn launches_that_hardly_agree_leave_bars_to_see() {
    let launch = |time| vec![sample([time; 4], false, false); 5];
    let cells =
        [1, 2].map(|batch| (cell("m", "ort", batch), vec![launch(1_000), launch(900_000_000)]));
    assert_eq!(names(&charts(&run(cells.to_vec())))[..2], ["stages", "throughput"]);
}

/// A run of one cell with layers of these names, the later the slower.
fn layered(names: &[String]) -> Vec<Chart> {
    let mut run = run(vec![(cell("m", "ort", 1), lifelike(5_000_000, 2, 20))]);
    let layer = |(index, name): (usize, &String)| Layer {
        name: name.clone(),
        operator: format!("operator {}", index % 9),
        precision: Some("fp16".to_owned()),
        place: None,
        times: vec![Nanos(1000 * (index as u64 + 1)); 10],
    };
    run.launches[0].layers = Some(LayerPass::Timed(names.iter().enumerate().map(layer).collect()));
    charts(&run).into_iter().filter(|chart| chart.name.starts_with("layers-")).collect()
}

#[test]
fn the_slowest_layers_have_bars_and_all_others_one() {
    let names: Vec<String> = (0..40).map(|n| format!("layer_{n:02}")).collect();
    let chart = &layered(&names)[0].svg;
    for shown in ["layer_39", "layer_25", "25 others", "other operators", "40 layers add up"] {
        assert!(chart.contains(shown), "no {shown}");
    }
    assert!(!chart.contains("layer_24"));
    let few = layered(&names[..3]);
    assert!(few[0].svg.contains("layer_00") && !few[0].svg.contains("others"));
}

#[test]
fn long_names_of_layers_fit_and_keep_their_ends() {
    let fused = |n: usize| {
        let middle = " + PWN(/model.22/cv2.0/act/Sigmoid)".repeat(n);
        format!("/model.{n}/cv2.0/conv/Conv{middle} + /model.{n}/Concat_9")
    };
    let mut names: Vec<String> = (0..8).map(fused).collect();
    names.push("x".repeat(300));
    names.push("<&\"'>\n\u{1}".repeat(30));
    let chart = &layered(&names)[0].svg;
    assert!(chart.contains("+ 5 more + /model.5/Concat_9"), "{chart}");
}

#[test]
fn layers_without_any_time_are_drawn() {
    let mut run = run(vec![(cell("m", "ort", 1), lifelike(5_000_000, 1, 20))]);
    let layer = Layer {
        name: String::new(),
        operator: String::new(),
        precision: None,
        place: None,
        times: vec![Nanos::ZERO],
    };
    run.launches[0].layers = Some(LayerPass::Timed(vec![layer]));
    assert!(charts(&run).iter().any(|chart| chart.name.starts_with("layers-")));
}

#[test]
fn charts_name_the_release_of_each_engine() {
    let mut run = run(vec![(cell("m", "tensorrt", 1), lifelike(1_000_000, 2, 20))]);
    for (name, version) in [("tensorrt on Old", "8.6.1"), ("tensorrt on New", "10.13.0")] {
        let runtime = Runtime { version: version.to_owned(), library: None };
        run.info.runtimes.insert(name.to_owned(), runtime);
    }
    for chart in charts(&run) {
        let foot = "engines: tensorrt 10.13.0 on New · tensorrt 8.6.1 on Old";
        assert!(chart.svg.contains(foot), "{}", chart.name);
    }
}

#[test]
fn a_short_launch_is_marked_at_whole_iterations() {
    let charts = one(vec![vec![sample([9; 4], false, false); 4]]);
    let latency = charts.iter().find(|chart| chart.name.starts_with("latency")).unwrap();
    let texts: Vec<&str> = latency.svg.split("<text").skip(1).collect();
    let has = |tick: &str| texts.iter().any(|text| text.contains(&format!(">\n{tick}\n<")));
    assert!(has("3") && !has("0.5") && !has("1.5"), "{}", latency.svg);
}

#[test]
fn a_rate_without_an_interval_is_drawn_as_one() {
    let batches = |count| {
        let cell = |batch| (cell("m", "ort", batch), lifelike(1_000_000, 1, count));
        charts(&run(vec![cell(1), cell(2)]))
    };
    let marked = |charts: Vec<Chart>| {
        let throughput = charts.iter().find(|chart| chart.name == "throughput").unwrap();
        throughput.svg.contains("no interval: too few samples")
    };
    assert!(marked(batches(3)));
    assert!(!marked(batches(40)));
}

#[test]
fn the_chart_of_stages_says_where_the_card_preprocessed() {
    let mut card = cell("m", "tensorrt", 1);
    card.device.kind = Kind::Gpu;
    let mut run = run(vec![(card, lifelike(1_000_000, 2, 20))]);
    let says = |run: &Run| charts(run)[0].svg.contains("came after host to device");
    assert!(!says(&run));
    run.info.engine.tensorrt.preprocess = PreprocessOn::Gpu;
    assert!(says(&run));
}
