//! With what the host computes its own stages: chosen once for a run, then the same in all its
//! launches.

use super::Problem;
use crate::{
    cpu::{InstructionSet, Instructions},
    image::{Decoder, JpegLibrary},
    scenario::HostOptions,
};
use serde::{Deserialize, Serialize};

/// What is in force in every launch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStages {
    /// Library that decodes JPEG.
    pub decoder: JpegLibrary,
    /// Vector instructions of the kernels.
    pub instructions: InstructionSet,
}

impl HostStages {
    /// What `options` ask for, where this build and this processor have it.
    ///
    /// # Errors
    /// Everything asked for that is not there.
    pub fn choose(options: &HostOptions) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if let Err(missing) = Decoder::with(options.decoder) {
            problems.push(Problem(format!("host.decoder = \"{}\": {missing}", options.decoder)));
        }
        let asked = options.instructions.map_or(Ok(Instructions::best()), Instructions::named);
        match asked {
            Ok(instructions) if problems.is_empty() => {
                Ok(Self { decoder: options.decoder, instructions: instructions.set() })
            }
            Ok(_) => Err(problems),
            Err(missing) => {
                problems.push(Problem(format!(
                    "host.instructions = \"{}\": {missing}; ask for that, or leave the key out",
                    missing.wanted
                )));
                Err(problems)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_the_best_instructions_and_the_decoder_of_every_build_are_in_force() {
        let chosen = HostStages::choose(&HostOptions::default()).unwrap();
        assert_eq!(chosen.decoder, JpegLibrary::Zune);
        assert_eq!(chosen.instructions, Instructions::best().set());
    }

    #[test]
    fn every_instruction_set_is_in_force_or_named_with_the_cure() {
        for set in InstructionSet::ALL {
            let options = HostOptions { instructions: Some(set), ..HostOptions::default() };
            match (HostStages::choose(&options), Instructions::named(set)) {
                (Ok(chosen), Ok(_)) => assert_eq!(chosen.instructions, set),
                (Err(problems), Err(_)) => {
                    let text = problems[0].to_string();
                    let named = text.starts_with(&format!("host.instructions = \"{set}\": "));
                    assert!(named && text.contains("leave the key out"), "{text}");
                }
                (chosen, there) => panic!("{set}: {chosen:?}, but {there:?}"),
            }
        }
    }
}
