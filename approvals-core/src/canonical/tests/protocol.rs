//! `Serialize` implementations that do not keep to serde's protocol must not
//! get a canonical form of something else.

use super::*;

struct With<F>(F);

impl<F: Fn(&mut dyn Map) -> Result<(), String>> Serialize for With<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Adapter<M>(M);
        impl<M: SerializeMap> Map for Adapter<M> {
            fn key(&mut self, key: &str) -> Result<(), String> {
                self.0.serialize_key(key).map_err(|error| error.to_string())
            }
            fn value(&mut self, value: f64) -> Result<(), String> {
                self.0
                    .serialize_value(&value)
                    .map_err(|error| error.to_string())
            }
        }
        let mut map = Adapter(serializer.serialize_map(None)?);
        (self.0)(&mut map).map_err(serde::ser::Error::custom)?;
        map.0.end()
    }
}

trait Map {
    fn key(&mut self, key: &str) -> Result<(), String>;
    fn value(&mut self, value: f64) -> Result<(), String>;
}

#[test]
fn an_error_that_an_implementation_ignores_still_refuses_the_value() {
    let error = refused(&With(|map: &mut dyn Map| {
        map.key("a")?;
        let _ = map.value(f64::NAN);
        map.key("b")?;
        map.value(1.0)
    }));
    assert!(matches!(error, CanonicalError::Misused { .. }), "{error}");
}

#[test]
fn a_key_without_a_value_and_a_value_without_a_key_are_refused() {
    let error = refused(&[With(|map: &mut dyn Map| map.key("a"))]);
    assert_eq!(
        error.to_string(),
        "the `Serialize` implementation at `/0` is wrong; give a value after every map key"
    );
    let error = refused(&With(|map: &mut dyn Map| {
        let _ = map.key("a");
        let _ = map.key("b");
        map.value(1.0)
    }));
    assert!(matches!(error, CanonicalError::Misused { .. }), "{error}");
    let error = refused(&With(|map: &mut dyn Map| {
        let _ = map.value(1.0);
        Ok(())
    }));
    assert!(matches!(error, CanonicalError::Misused { .. }), "{error}");
}

#[test]
fn the_error_of_an_implementation_is_passed_on() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("lock is poisoned"))
        }
    }
    let error = refused(&[Failing]);
    assert_eq!(error, CanonicalError::Custom("lock is poisoned".to_owned()));
}
