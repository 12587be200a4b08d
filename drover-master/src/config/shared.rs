//! Descriptions that many share, such as all workers of a generation: each is written once, and named by its number from then on.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::AppSpec;
use crate::written::Written;

/// Descriptions by their numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct SpecTable {
    known: Vec<(u32, Arc<AppSpec>)>,
    /// Those that got their numbers since [`new_ones`](Self::new_ones) was last called.
    new: Vec<(u32, Arc<AppSpec>)>,
}

thread_local! {
    /// What numbers mean while something is written or read.
    static TABLE: RefCell<Option<SpecTable>> = const { RefCell::new(None) };
}

impl SpecTable {
    /// Adds one under its number.
    pub(crate) fn learn(&mut self, number: u32, spec: Arc<AppSpec>) {
        self.known.retain(|(known, _)| *known != number);
        self.known.push((number, spec));
    }

    /// Those that got their numbers since this was last asked.
    pub(crate) fn new_ones(&mut self) -> Vec<(u32, Arc<AppSpec>)> {
        std::mem::take(&mut self.new)
    }

    /// Has descriptions written and read by their numbers while `work` is done, on this thread.
    pub(crate) fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        TABLE.set(Some(std::mem::take(self)));
        let result = work();
        if let Some(table) = TABLE.take() {
            *self = table;
        }
        result
    }
}

impl SpecTable {
    fn number_of(&mut self, spec: &Arc<AppSpec>) -> u32 {
        // The newest is what most are of.
        if let Some((number, _)) = self.known.iter().rev().find(|(_, known)| Arc::ptr_eq(known, spec)) {
            return *number;
        }
        let number = self.known.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        self.known.push((number, Arc::clone(spec)));
        self.new.push((number, Arc::clone(spec)));
        number
    }

    fn of_number(&self, number: u32) -> Option<&Arc<AppSpec>> {
        self.known.iter().rev().find(|(known, _)| *known == number).map(|(_, spec)| spec)
    }
}

/// Where there is a table, the number in it; otherwise everything.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum SpecForm {
    Number(u32),
    Whole(Arc<AppSpec>),
}

impl Written for Arc<AppSpec> {
    type Form = SpecForm;

    fn form(&self) -> SpecForm {
        TABLE.with_borrow_mut(|table| match table {
            Some(table) => SpecForm::Number(table.number_of(self)),
            None => SpecForm::Whole(Self::clone(self)),
        })
    }

    fn of_form(form: SpecForm) -> Result<Self, String> {
        match form {
            SpecForm::Whole(spec) => Ok(spec),
            SpecForm::Number(number) => TABLE.with_borrow(|table| {
                let known = table.as_ref().and_then(|table| table.of_number(number));
                known.cloned().ok_or_else(|| format!("description {number} was not written before"))
            }),
        }
    }
}
