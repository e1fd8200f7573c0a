//! What is found out about a cell beside its times, each in a worker process of its own after the
//! first launch: where its nodes run, and how long its layers take. Measures nothing itself, and
//! whatever goes wrong here takes nothing from what was measured.

use super::{
    Reason,
    launch::Workers,
    protocol::{Job, LayerPass, Measured, Message, Task},
};
use crate::{
    device::Kind,
    engine::{self, Placement},
    stats::Sorted,
    timing::{Sample, Span},
};
use std::time::Duration;

/// Fewest and most runs in which layers are timed.
const RUNS: [f64; 2] = [10.0, 30.0];

/// Adds to a first launch what is asked about it.
pub fn add(measured: &mut Measured, job: &Job, limit: Duration, workers: &Workers) {
    let tells = engine::named(&job.cell.id.engine).is_ok_and(|engine| engine.tells_placement());
    if tells && job.cell.device.kind == Kind::Gpu {
        let task = Task::Place(Box::new(job.clone()));
        measured.facts.placement = placement(ask(&task, limit, workers));
    }
    if job.measure.layers {
        let runs = runs(&measured.samples, job.measure.max_seconds);
        let task = Task::Layers { job: Box::new(job.clone()), runs };
        measured.layers = Some(layers(ask(&task, limit, workers), &job.cell.id.engine));
    }
}

/// The worker's last message, or why there is none.
fn ask(task: &Task, limit: Duration, workers: &Workers) -> Result<Message, String> {
    let answer = workers.run(task, limit, None, &mut |_, _| {});
    let last = answer.map_err(|error| match error.kind() {
        std::io::ErrorKind::Interrupted => "it was interrupted".to_owned(),
        _ => error.to_string(),
    })?;
    match last.last {
        Ok(Message::Refused { reason }) => Err(reason),
        Ok(message) => Ok(message),
        Err(failure) => Err(format!("{} {}", failure.reason, failure.stderr_tail.trim())),
    }
}

fn placement(answer: Result<Message, String>) -> Option<Placement> {
    let problem = match answer {
        Ok(Message::Placed(placement)) if placement == Placement::default() => return None,
        Ok(Message::Placed(placement)) => return Some(placement),
        Ok(_) => OTHER.to_owned(),
        Err(problem) => problem,
    };
    Some(Placement { problem: Some(problem), ..Placement::default() })
}

const OTHER: &str = "the worker answered another task";

fn layers(answer: Result<Message, String>, engine: &str) -> LayerPass {
    let problem = match answer {
        Ok(Message::Layers { layers: Some(layers) }) if !layers.is_empty() => {
            let runs = layers[0].times.len();
            match runs > 0 && layers.iter().all(|layer| layer.times.len() == runs) {
                true => return LayerPass::Timed(layers),
                false => format!("engine `{engine}` told of layers without times"),
            }
        }
        Ok(Message::Layers { .. }) => {
            format!("engine `{engine}` tells no times of layers; use one that does, as `ort`")
        }
        Ok(_) => OTHER.to_owned(),
        Err(problem) => problem,
    };
    LayerPass::Unknown(Reason(problem.trim().to_owned()))
}

/// As many runs as fit half a launch, so that the profiler has time to be slower.
fn runs(samples: &[Sample], max_seconds: f64) -> usize {
    let steady = samples.iter().filter(|sample| !sample.flags.warmup);
    let series = steady.filter_map(|sample| sample.span(Span::Inference)).collect();
    let each = Sorted::new(series).map_or(0.0, |sorted| sorted.median().seconds());
    let [fewest, most] = RUNS;
    (max_seconds / 2.0 / each.max(1e-9)).clamp(fewest, most) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Layer, timing::Stage, unit::Nanos};

    fn layer(times: &[u64]) -> Layer {
        let times = times.iter().map(|&time| Nanos(time)).collect();
        Layer { name: "a".into(), operator: "b".into(), precision: None, place: None, times }
    }

    #[test]
    fn fast_models_run_often_and_slow_ones_at_least_ten_times() {
        let runs_at = |inference: u64| {
            let mut sample = Sample { end_to_end: Nanos(inference), ..Sample::default() };
            sample.stages[Stage::Inference as usize] = Some(Nanos(inference));
            runs(&[sample], 20.0)
        };
        assert_eq!([1, 500_000_000, 100_000_000_000].map(runs_at), [30, 20, 10]);
        assert_eq!(runs(&[], 20.0), 30);
    }

    #[test]
    fn what_is_no_table_of_times_is_a_reason() {
        let reason = |answer: Result<Message, String>| match layers(answer, "e") {
            LayerPass::Unknown(Reason(words)) => words,
            LayerPass::Timed(found) => panic!("{found:?}"),
        };
        let told = |layers: Vec<Layer>| Ok(Message::Layers { layers: Some(layers) });
        assert!(reason(Ok(Message::Layers { layers: None })).contains("`e` tells no times"));
        assert!(reason(told(vec![layer(&[1, 2]), layer(&[1])])).contains("without times"));
        assert!(reason(told(vec![layer(&[])])).contains("without times"));
        assert_eq!(reason(Err("it broke ".to_owned())), "it broke");
        assert_eq!(reason(Ok(Message::Released)), OTHER);
        let good = vec![layer(&[1, 2]), layer(&[3, 4])];
        assert_eq!(layers(told(good.clone()), "e"), LayerPass::Timed(good));
    }
}
