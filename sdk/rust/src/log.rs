//! Lines for the run's log. Never put a row's values into one.

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "etl:transform/host@0.1.0")]
    unsafe extern "C" {
        pub(super) fn log(level: u32, text: *const u8, length: usize);
    }
}

fn line(level: u32, message: &str) {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the runner reads so many bytes of UTF-8 and keeps nothing.
    unsafe {
        host::log(level, message.as_ptr(), message.len());
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{} {message}", ["debug", "info", "warn", "error"][level as usize]);
}

/// For the author's eyes.
pub fn debug(message: &str) {
    line(0, message);
}

/// For whoever runs it.
pub fn info(message: &str) {
    line(1, message);
}

/// Something is odd.
pub fn warn(message: &str) {
    line(2, message);
}

/// Something is wrong. A panic says so by itself.
pub fn error(message: &str) {
    line(3, message);
}
