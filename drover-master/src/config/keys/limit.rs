//! `app.NAME.limits`: the limit of a resource, one value or a soft and a hard one.

#[cfg(feature = "file")]
use toml_edit::Item;

use super::field::Field;
use super::form::{Form, LimitUnit};
use super::kind::ValueFault;
#[cfg(feature = "file")]
use super::limit_values::{limit, written};
use super::shown;
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue};
use crate::config::{Limit, Limits, Resource};

/// The limit of a resource.
pub(super) struct ResourceLimit(pub(super) Resource);

impl ResourceLimit {
    fn unit(&self) -> LimitUnit {
        match self.0 {
            Resource::Cpu => LimitUnit::Seconds,
            Resource::OpenFiles
            | Resource::Processes
            | Resource::RealtimePriority
            | Resource::PendingSignals => LimitUnit::Number,
            Resource::AddressSpace
            | Resource::Core
            | Resource::Data
            | Resource::FileSize
            | Resource::Memlock
            | Resource::MessageQueues
            | Resource::Stack => LimitUnit::Bytes,
        }
    }

    fn find(&self, limits: &Limits) -> Option<Limit> {
        limits.resources.iter().find(|(resource, _)| *resource == self.0).map(|(_, limit)| *limit)
    }
}

impl Field<Limits> for ResourceLimit {
    fn is_same(&self, old: &Limits, new: &Limits) -> bool {
        self.find(old) == self.find(new)
    }

    fn take(&self, into: &mut Limits, from: &Limits) {
        into.resources.retain(|(resource, _)| *resource != self.0);
        into.resources.extend(self.find(from).map(|limit| (self.0, limit)));
    }

    fn shown(&self, of: &Limits) -> Option<String> {
        let limit = self.find(of)?;
        shown::limits(&Limits::default().with(self.0, limit))
    }

    fn form(&self) -> Form {
        Form::Limit(self.unit())
    }

    fn fault(&self, of: &Limits) -> Option<ValueFault> {
        let Limit { soft, hard } = self.find(of)?;
        let hard = hard.filter(|hard| *hard < soft).map(shown::amount)?;
        let soft = shown::amount(soft);
        Some(ValueFault::new(format!("has the soft value {soft} above the hard one {hard}")))
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut Limits, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        let limit = limit(entry, self.unit(), mistakes);
        limit.map(|limit| *into = std::mem::take(into).with(self.0, limit)).is_some()
    }

    #[cfg(feature = "file")]
    fn write(&self, of: &Limits) -> Option<Item> {
        self.find(of).map(|limit| written(self.unit(), limit))
    }
}
