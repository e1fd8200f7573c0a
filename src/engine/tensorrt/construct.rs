//! One build: parse, look whether the engine is there already, else build it and keep it.

use super::{
    calibration::Calibration,
    keep::{Engines, Kept},
    library, open_card,
    recipe::{self, Recipe, typing},
    session,
};
use crate::{
    engine::{Built, Error, Feed, LoadSpec, Progress, Report, card::Card},
    model::{self, Format, Model},
    os::{Clock, FilePath, MonotonicClock, printable},
    tensor::ModelIo,
    tensorrt::{self, BuildRequest, Builder, Calibrate, Library, Network},
    unit::Bytes,
};

/// Builds the engine that `spec` asks for, or finds it.
///
/// # Errors
/// What library, parser or builder say; [`Error::Unsupported`] where the model does not fit what is
/// asked for.
pub fn build(
    spec: &LoadSpec<'_>,
    feed: &mut dyn Feed,
    report: &mut Report<'_>,
) -> Result<Built, Error> {
    let library = library::open(spec.place)?;
    let model = model::open(spec.model).map_err(|error| Error::Model(error.to_string()))?;
    if let Some(given) = given(spec, &library, &model)? {
        return Ok(given);
    }
    let card = open_card(spec)?;
    let builder = library.builder(Some(&card.context))?;
    let network =
        builder.parse(spec.model, typing(&library)).map_err(|error| blame(spec, error))?;
    let io = recipe::described(&network.inputs(), &network.outputs());
    let recipe = Recipe::new(spec, &model, &library, &io, feed)?;
    let engines = Engines::of(spec)?;
    let waiting = Progress {
        phase: "waiting for another run that builds the same".into(),
        step: 0,
        steps: 1,
    };
    let _lock = engines.lock(&recipe, &mut || report(&waiting))?;
    let remark = match engines.find(&recipe) {
        Kept::Whole(built) => return Ok(built),
        Kept::Nothing => None,
        Kept::Unusable(why) => Some(why),
    };
    let parts = Parts { spec, library: &library, card: &card, engines: &engines };
    let mut built = parts.make(&builder, network, &io, &recipe, feed, report)?;
    built.remarks.extend(remark.into_iter().chain(engines.trouble(spec)));
    Ok(built)
}

/// An engine that somebody else has built: nothing is to be done.
fn given(spec: &LoadSpec<'_>, library: &Library, model: &Model) -> Result<Option<Built>, Error> {
    let Format::TensorRtEngine(built) = model.format else { return Ok(None) };
    if let Some(why) = tensorrt::other_release(built, &library.release().to_string()) {
        return Err(Error::Unsupported(why));
    }
    // Loaded once beforehand: what the library refuses, or warns of, is known before any launch.
    let card = open_card(spec)?;
    let bytes = std::fs::read(spec.model).map_err(|error| Error::Model(error.to_string()))?;
    let engine = library.runtime(&card.context)?.load(&bytes)?;
    session::check(spec, library, &engine)?;
    Ok(Some(Built {
        file: FilePath(spec.model.to_owned()),
        sha256: model.sha256.clone(),
        took: None,
        bytes: Bytes(model.bytes),
        kept: true,
        warm: false,
        remarks: engine.warnings().to_vec(),
    }))
}

/// What a build has around it.
struct Parts<'a> {
    spec: &'a LoadSpec<'a>,
    library: &'a Library,
    card: &'a Card,
    engines: &'a Engines,
}

impl Parts<'_> {
    fn make(
        &self,
        builder: &Builder,
        network: Network,
        io: &ModelIo,
        recipe: &Recipe,
        feed: &mut dyn Feed,
        report: &mut Report<'_>,
    ) -> Result<Built, Error> {
        let timings_of =
            format!("{} {}", library::identity(self.library), self.spec.place.device.product());
        let keeps_timings = self.spec.place.options.tensorrt.timing_cache;
        let timings = keeps_timings.then(|| self.engines.timings(&timings_of)).flatten();
        let batch = opt_batch(recipe, recipe::part(self.spec, self.library)?);
        let mut report = |at: &tensorrt::Progress<'_>| {
            report(&Progress { phase: at.phase.to_owned(), step: at.step, steps: at.steps })
        };
        let mut calibration = match recipe.calibrates {
            true => Some(Calibration::new(self.card, io, batch, feed)?),
            false => None,
        };
        let clock = MonotonicClock::new();
        let start = clock.now();
        let built = builder.build(
            network,
            BuildRequest {
                profile: recipe.profile.clone(),
                fp16: recipe.fp16,
                int8: recipe.int8,
                tf32: recipe.tf32,
                workspace: recipe.workspace,
                optimization_level: recipe.optimization_level,
                timing_cache: timings.as_deref(),
                calibrator: calibration
                    .as_mut()
                    .map(|calibration| calibration as &mut dyn Calibrate),
                progress: &mut report,
            },
        );
        let took = clock.now().since(start);
        let built = built.map_err(|error| blame(self.spec, error))?;
        if keeps_timings {
            self.engines.keep_timings(&timings_of, &built.timing_cache);
        }
        self.engines.keep(recipe, &built.engine, took, timings.is_some())
    }
}

/// Images in the tensors that the engine is fitted to.
fn opt_batch(recipe: &Recipe, batch: usize) -> usize {
    let images = recipe.profile.iter().find(|range| range.opt.len() == 4);
    images.and_then(|range| usize::try_from(range.opt[0]).ok()).unwrap_or(batch)
}

/// What parser and builder refuse is about the model; what they cannot do for want of memory, or because
/// they were stopped, is not.
fn blame(spec: &LoadSpec<'_>, error: tensorrt::Error) -> Error {
    let about_model = !error.is_out_of_memory() && error != tensorrt::Error::Cancelled;
    match Error::from(error) {
        Error::Failed(words) if about_model => {
            Error::Model(format!("model `{}`: {words}", printable(spec.model)))
        }
        other => other,
    }
}
