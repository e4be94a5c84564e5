//! Stage `split`.
