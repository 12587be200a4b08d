//! Models of what runs in several processes at once: a checker goes through every order in which things may happen.

mod keeper;
