//! Checks of what the driver says of the device: nothing to pass, good to know.

use super::check::{Finding, Outcome, Target};

fn noted(known: Option<bool>, yes: &str, no: &str) -> Finding {
    Ok(match known {
        Some(true) => (Outcome::Noted, yes.to_owned()),
        Some(false) => (Outcome::Noted, no.to_owned()),
        None => (Outcome::DoesNotApply, "not on this device".to_owned()),
    })
}

pub fn watchdog(target: &Target) -> Finding {
    let yes = "on: it ends kernels that run for seconds; use a GPU without a display";
    noted(target.device.info().watchdog, yes, "off: kernels may run for ever")
}

pub fn mig(target: &Target) -> Finding {
    noted(target.device.info().mig, "yes: it has its share of the multiprocessors", "no: the whole GPU")
}

pub fn lazy_loading(target: &Target) -> Finding {
    let yes = "on: ringscope loads all of its functions before the first launch; load your own likewise";
    noted(target.device.info().lazy_loading, yes, "off: functions are loaded with their module")
}
