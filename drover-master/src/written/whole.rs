//! What consists of other values.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Written;

impl<T: Written> Written for Option<T> {
    type Form = Option<T::Form>;

    fn form(&self) -> Self::Form {
        self.as_ref().map(T::form)
    }

    fn of_form(form: Self::Form) -> Result<Self, String> {
        form.map(T::of_form).transpose()
    }
}

impl<A: Written, B: Written> Written for (A, B) {
    type Form = (A::Form, B::Form);

    fn form(&self) -> Self::Form {
        (self.0.form(), self.1.form())
    }

    fn of_form((first, second): Self::Form) -> Result<Self, String> {
        Ok((A::of_form(first)?, B::of_form(second)?))
    }
}

impl<T: Written> Written for Vec<T> {
    type Form = Vec<T::Form>;

    fn form(&self) -> Self::Form {
        self.iter().map(T::form).collect()
    }

    fn of_form(form: Self::Form) -> Result<Self, String> {
        form.into_iter().map(T::of_form).collect()
    }
}

impl<T: Written> Written for VecDeque<T> {
    type Form = Vec<T::Form>;

    fn form(&self) -> Self::Form {
        self.iter().map(T::form).collect()
    }

    fn of_form(form: Self::Form) -> Result<Self, String> {
        form.into_iter().map(T::of_form).collect()
    }
}

impl<T: Written> Written for Arc<[T]> {
    type Form = Vec<T::Form>;

    fn form(&self) -> Self::Form {
        self.iter().map(T::form).collect()
    }

    fn of_form(form: Self::Form) -> Result<Self, String> {
        form.into_iter().map(T::of_form).collect()
    }
}

impl<K: Written + Ord, V: Written> Written for BTreeMap<K, V> {
    type Form = Vec<(K::Form, V::Form)>;

    fn form(&self) -> Self::Form {
        self.iter().map(|(key, value)| (key.form(), value.form())).collect()
    }

    fn of_form(form: Self::Form) -> Result<Self, String> {
        form.into_iter().map(<(K, V)>::of_form).collect()
    }
}
