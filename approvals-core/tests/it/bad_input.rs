//! Bad input is refused with an error that names the field and the fix.
