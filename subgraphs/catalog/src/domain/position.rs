//! Points on the Earth.

/// A point in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// North of the equator, from -90 to 90.
    pub lat: f64,
    /// East of Greenwich, from -180 to 180.
    pub lon: f64,
}

/// A box that surely contains a circle; databases can look it up in an index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least and greatest latitude.
    pub lat: (f64, f64),
    /// Least and greatest longitude.
    pub lon: (f64, f64),
}

/// Kilometres per degree of latitude on a sphere of 6,371.0088 km radius (IUGG mean radius).
const KM_PER_DEGREE: f64 = 6_371.008_8 * std::f64::consts::PI / 180.0;

impl Position {
    /// The position, when it lies on the Earth.
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    /// A box around everything within `radius_km` of here. Near a pole, and across the date line,
    /// it goes all the way round.
    pub fn bounds(self, radius_km: f64) -> Bounds {
        let angle = radius_km / KM_PER_DEGREE;
        let lat = (self.lat - angle, self.lat + angle);
        let everywhere = (-180.0, 180.0);
        // The widest circle of longitude is not at the centre but nearer to the pole:
        // sin(Δlon) = sin(angle) / cos(lat), http://janmatuschek.de/LatitudeLongitudeBoundingCoordinates
        let ratio = angle.to_radians().sin() / self.lat.to_radians().cos();
        if lat.0 <= -90.0 || lat.1 >= 90.0 || angle >= 90.0 || ratio >= 1.0 {
            return Bounds { lat, lon: everywhere };
        }
        let width = ratio.asin().to_degrees();
        let lon = (self.lon - width, self.lon + width);
        let crosses = lon.0 < -180.0 || lon.1 > 180.0;
        Bounds { lat, lon: if crosses { everywhere } else { lon } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Great-circle distance in kilometres (haversine).
    fn distance_km(a: Position, b: Position) -> f64 {
        let half = |x: f64, y: f64| ((x - y).to_radians() / 2.0).sin().powi(2);
        let h = half(a.lat, b.lat) + a.lat.to_radians().cos() * b.lat.to_radians().cos() * half(a.lon, b.lon);
        2.0 * 6_371.008_8 * h.sqrt().min(1.0).asin()
    }

    proptest! {
        #[test]
        fn what_is_near_is_in_the_box(
            lat in -90.0..90.0_f64, lon in -180.0..180.0_f64,
            other_lat in -90.0..90.0_f64, other_lon in -180.0..180.0_f64,
            radius in 0.1..20_000.0_f64,
        ) {
            let (here, there) = (Position { lat, lon }, Position { lat: other_lat, lon: other_lon });
            let near = distance_km(here, there) <= radius;
            let bounds = here.bounds(radius * 1.000_001);
            let inside = (bounds.lat.0..=bounds.lat.1).contains(&there.lat)
                && (bounds.lon.0..=bounds.lon.1).contains(&there.lon);
            prop_assert!(inside || !near, "{there:?} is near {here:?} and outside of {bounds:?}");
        }
    }
}
