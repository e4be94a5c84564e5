//! Stage `encode`.
