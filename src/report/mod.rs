//! Results for people and programs: table, CSV, JSON, charts, pictures. Decides nothing and
//! prints nothing.

pub mod charts;
pub mod csv;
pub mod devices;
pub mod doctor;
pub mod json;
pub mod layers;
pub mod model;
pub mod pictures;
pub mod table;
mod words;
