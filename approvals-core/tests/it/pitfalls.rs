//! What others got wrong, one test each, named after the defect.

mod crashes_and_races;
mod not_what_was_approved;
mod open_by_default;
mod shown_wrongly;
mod too_late;
mod who_clicked;
mod worn_down;
