//! Numbers and texts.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Written;

/// A value that serde writes well, as a part of one that it does not.
pub(crate) trait Plain: Serialize + DeserializeOwned + Clone {}

impl Plain for Box<str> {}
impl Plain for bool {}
impl Plain for u64 {}

impl<T: Plain> Written for T {
    type Form = T;

    fn form(&self) -> T {
        self.clone()
    }

    fn of_form(form: T) -> Result<T, String> {
        Ok(form)
    }
}

/// Text where it is one, for whoever reads it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OsForm {
    Text(String),
    Bytes(Vec<u8>),
}

impl OsForm {
    fn of(text: &OsStr) -> Self {
        text.to_str()
            .map_or_else(|| Self::Bytes(text.as_bytes().to_vec()), |text| Self::Text(text.to_owned()))
    }

    fn into_text(self) -> OsString {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes(bytes) => OsString::from_vec(bytes),
        }
    }
}

impl Written for OsString {
    type Form = OsForm;

    fn form(&self) -> OsForm {
        OsForm::of(self)
    }

    fn of_form(form: OsForm) -> Result<Self, String> {
        Ok(form.into_text())
    }
}

impl Written for PathBuf {
    type Form = OsForm;

    fn form(&self) -> OsForm {
        OsForm::of(self.as_os_str())
    }

    fn of_form(form: OsForm) -> Result<Self, String> {
        Ok(form.into_text().into())
    }
}

impl Written for f64 {
    type Form = String;

    fn form(&self) -> String {
        self.to_string()
    }

    fn of_form(form: String) -> Result<Self, String> {
        form.parse().map_err(|_| format!("`{form}` is not a number"))
    }
}

impl Written for fastrand::Rng {
    type Form = u64;

    fn form(&self) -> u64 {
        self.get_seed()
    }

    fn of_form(form: u64) -> Result<Self, String> {
        Ok(Self::with_seed(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_every_text_comes_back() {
        for number in
            [0.0, -0.0, 0.1, 1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NEG_INFINITY]
        {
            assert_eq!(f64::of_form(number.form()).map(f64::to_bits), Ok(number.to_bits()));
        }
        assert!(f64::of_form(f64::NAN.form()).unwrap().is_nan());
        for text in
            ["", "a b", "ä\n"].map(OsString::from).into_iter().chain([OsString::from_vec(vec![0xff, 0])])
        {
            assert_eq!(OsString::of_form(text.form()), Ok(text.clone()));
            assert_eq!(PathBuf::of_form(PathBuf::from(&text).form()), Ok(text.into()));
        }
    }

    #[test]
    fn chance_goes_on_where_it_was() {
        let mut one = fastrand::Rng::with_seed(7);
        one.u64(..);
        let mut other = fastrand::Rng::of_form(one.form()).unwrap();
        assert_eq!([(); 8].map(|()| one.u64(..)), [(); 8].map(|()| other.u64(..)));
    }
}
