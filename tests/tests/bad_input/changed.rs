//! changed
