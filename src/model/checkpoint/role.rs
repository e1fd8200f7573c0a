//! What tensors are there for, by the words of the keys above them. Knows no file's name.

use crate::model::anatomy::Role;

/// Words for the network itself: a key of nothing else holds it.
const MODEL: [&str; 14] = [
    "checkpoint",
    "detector",
    "dict",
    "model",
    "module",
    "net",
    "network",
    "param",
    "parameters",
    "params",
    "state",
    "student",
    "weights",
    "generator",
];
/// Words for the moving average: one is enough.
const EMA: [&str; 9] =
    ["average", "averaged", "averager", "averages", "avg", "ema", "polyak", "shadow", "swa"];
/// Ends of the names that Paddle gives the accumulators of its optimizers, before the number.
const ACCUMULATORS: [&str; 16] = [
    "_avg_squared_grad",
    "_avg_squared_update",
    "_beta1_pow_acc",
    "_beta2_pow_acc",
    "_inf_norm",
    "_linear",
    "_mean_grad",
    "_mean_square",
    "_moment",
    "_moment1",
    "_moment2",
    "_momentum",
    "_squared",
    "_velocity",
    "_moment2_max",
    "_moment1_acc",
];

/// The role of what is kept under a key of that name, where the name tells.
pub fn of_key(key: &str) -> Option<Role> {
    let key = key.to_ascii_lowercase();
    let words = || key.split(['_', '-', '.', '/', ' ']).filter(|word| !word.is_empty());
    if key.contains("sched") {
        Some(Role::Scheduler)
    } else if key.contains("optim") || key.contains("master_weights") {
        Some(Role::Optimizer)
    } else if words().any(|word| EMA.contains(&word)) {
        Some(Role::Ema)
    } else if words().next().is_some() && words().all(|word| MODEL.contains(&word)) {
        Some(Role::Model)
    } else {
        None
    }
}

/// The role of a tensor of that name among weights without a key above them that tells.
pub fn of_name(name: &str) -> Role {
    let accumulator = name.rsplit_once('_').is_some_and(|(stem, number)| {
        let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        numbered && ACCUMULATORS.iter().any(|end| stem.ends_with(end))
    });
    let first = name.split('.').next().unwrap_or_default();
    if accumulator {
        Role::Optimizer
    } else if first != name && of_key(first) == Some(Role::Ema) {
        Role::Ema
    } else {
        Role::Model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_projects_checkpoints_are_known() {
        for (role, keys) in [
            (
                Role::Model,
                &["model", "state_dict", "net", "model_state_dict", "module", "params"][..],
            ),
            (Role::Ema, &["ema", "model_ema", "ema_state_dict", "ema_model", "averager"]),
            (Role::Optimizer, &["optimizer", "optimizer_states", "optim", "master_weights"]),
            (Role::Scheduler, &["lr_scheduler", "lr_schedulers", "LR_Scheduler", "scheduler"]),
        ] {
            for key in keys {
                assert_eq!(of_key(key), Some(role), "{key}");
            }
        }
        for key in ["epoch", "callbacks", "args", "backbone", "hyper_parameters", "schema", "", "_"]
        {
            assert!(of_key(key).is_none(), "{key}");
        }
    }

    #[test]
    fn names_tell_the_average_and_the_optimizer_of_paddle() {
        assert_eq!(of_name("avg_model.backbone.conv.weight"), Role::Ema);
        assert_eq!(of_name("conv2d_0.w_0_moment1_0"), Role::Optimizer);
        assert_eq!(of_name("linear_3.b_0_beta2_pow_acc_0"), Role::Optimizer);
        assert_eq!(of_name("conv2d_0.w_0_velocity_0"), Role::Optimizer);
        assert_eq!(of_name("backbone.moment.weight"), Role::Model);
        assert_eq!(of_name("conv1.weight"), Role::Model);
    }
}
