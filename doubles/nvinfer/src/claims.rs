//! Which profiles of an engine its contexts have chosen: in 8 each is for one context at a time,
//! unless the builder was told otherwise. What profiles allow is in `profile.rs`.

use crate::{player::lock, release::Release};
use std::sync::{Arc, Mutex};

/// How contexts come by profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Sharing {
    /// Each profile is for one context; the first one has the first profile by itself.
    Never,
    /// A profile is for any number of contexts, but only the first one has it by itself.
    WhenChosen,
    /// All contexts have the first profile by themselves.
    ByItself,
}

impl Sharing {
    /// That of an engine of this release. `asked`: with the preview feature of 8.6. Engines without
    /// dynamic inputs have nothing to choose.
    pub fn of(release: Release, asked: bool, dynamic: bool) -> Self {
        match (release.major, release.minor) {
            (9.., _) => Self::ByItself,
            _ if !dynamic => Self::ByItself,
            (8, 6..) if asked => Self::WhenChosen,
            _ => Self::Never,
        }
    }
}

/// The profiles of an engine that are chosen, once for each context.
#[derive(Debug)]
pub struct Claims {
    sharing: Sharing,
    chosen: Mutex<Vec<usize>>,
}

impl Claims {
    /// None yet.
    pub fn new(sharing: Sharing) -> Arc<Self> {
        Arc::new(Self { sharing, chosen: Mutex::default() })
    }

    fn is_chosen(&self, profile: usize) -> bool {
        lock(&self.chosen).contains(&profile)
    }

    fn give_back(&self, profile: Option<usize>) {
        let mut chosen = lock(&self.chosen);
        if let Some(place) = chosen.iter().position(|&one| Some(one) == profile) {
            chosen.swap_remove(place);
        }
    }
}

/// What one context has chosen; given back when it is dropped.
#[derive(Debug)]
pub struct Claim {
    claims: Arc<Claims>,
    profile: Option<usize>,
}

impl Claim {
    /// That of a new context.
    pub fn new(claims: &Arc<Claims>) -> Self {
        let mut claim = Self { claims: claims.clone(), profile: None };
        if claims.sharing == Sharing::ByItself || !claims.is_chosen(0) {
            claim.take(0);
        }
        claim
    }

    /// The number of the profile; none before one is chosen.
    pub fn profile(&self) -> Option<usize> {
        self.profile
    }

    /// Chooses a profile.
    ///
    /// # Errors
    /// What TensorRT says when another context has it to itself.
    pub fn choose(&mut self, profile: usize) -> Result<(), String> {
        let mine = self.profile == Some(profile);
        if !mine && self.claims.sharing == Sharing::Never && self.claims.is_chosen(profile) {
            return Err(format!(
                "Error Code 3: Internal Error (Profile {profile} has been chosen by another \
                 IExecutionContext. Use another profileIndex or destroy the IExecutionContext that \
                 use this profile.)"
            ));
        }
        self.take(profile);
        Ok(())
    }

    fn take(&mut self, profile: usize) {
        self.claims.give_back(self.profile.replace(profile));
        lock(&self.claims.chosen).push(profile);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.give_back(self.profile);
    }
}
