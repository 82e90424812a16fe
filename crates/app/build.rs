//! Compiles the window's description in `ui/` to Rust.

fn main() {
    // Tests find elements by their accessible role, for which the compiler must keep element names; releases do without.
    let debug = std::env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let config = slint_build::CompilerConfiguration::new().with_style("fluent".into()).with_debug_info(debug);
    slint_build::compile_with_config("ui/main.slint", config).expect("the window's description compiles");
}
