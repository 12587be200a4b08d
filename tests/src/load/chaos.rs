//! Masters killed in the middle of operations, at moments of chance.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::step::{Operation, Pace, Step};

/// Longer than each of the operations takes with four workers, in milliseconds: a master is killed after its end too.
const LONGEST: u64 = 250;

/// What may be under way, one after the other.
const OPERATIONS: [Operation; 8] = [
    Operation::Reload(Pace::OneByOne),
    Operation::Scale(6),
    Operation::Renew(1),
    Operation::Reload(Pace::AllAtOnce),
    Operation::Restart(2),
    Operation::Scale(3),
    Operation::Reload(Pace::OneMissing),
    Operation::Scale(4),
];

/// This many steps, each with an operation and two masters that are killed. They begin anywhere in the row.
pub fn steps(count: usize) -> Vec<Step> {
    let chance = RandomState::new();
    let begin = usize::try_from(chance.hash_one("begin") % OPERATIONS.len() as u64).expect("it is small");
    let operations = OPERATIONS.into_iter().cycle().skip(begin).take(count);
    let moment = |number: usize, which: u8| {
        // Many early ones: there most happens.
        let most = chance.hash_one((number, which, "most")) % LONGEST + 1;
        u16::try_from(chance.hash_one((number, which)) % most).expect("it is small")
    };
    let moments = |number| [moment(number, 0), moment(number, 1)];
    operations
        .enumerate()
        .map(|(number, operation)| Step::KillMastersDuring(operation, moments(number)))
        .collect()
}
