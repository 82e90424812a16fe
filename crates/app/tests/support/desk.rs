//! A hand that moves the window without a display: clicks, keys, looks.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use i_slint_backend_testing::{
    AccessibleRole, ElementHandle, ElementQuery, TestingBackend, TestingBackendOptions, mock_elapsed_time,
};
use mycoin_app::testing::{Send, SendStep};
use mycoin_app::{App, AppOptions};
use mycoin_primitives::Network;
use slint::platform::{Key, PointerEventButton, WindowEvent};
use slint::{ComponentHandle as _, LogicalSize, SharedString};

/// How long anything may take, on a busy machine, with password hashing in a debug build.
const PATIENCE: Duration = Duration::from_secs(90);

/// The window and somebody in front of it.
pub(crate) struct Desk {
    pub(crate) app: App,
}

impl Desk {
    /// Opens the window. Once per thread: the toolkit's platform belongs to it.
    pub(crate) fn open(wallets_dir: &Path, proxy_url: &str) -> Self {
        let options =
            TestingBackendOptions { mock_time: true, threading: false, renderer_name: Some("software".into()) };
        slint::platform::set_platform(Box::new(TestingBackend::new(options))).expect("the first one in this thread");
        let app = App::new(AppOptions {
            network: Network::demo(),
            wallets_dir: wallets_dir.to_owned(),
            proxy_url: proxy_url.to_owned(),
            open_wallet: None,
        })
        .expect("a window in memory");
        app.window().set_size(LogicalSize::new(1120.0, 1000.0));
        app.component().show().expect("a window in memory shows");
        mock_elapsed_time(Duration::from_millis(50));
        Self { app }
    }

    /// Lets the program work until `holds`.
    pub(crate) fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "waited in vain: {what}; the window shows {:#?}", self.labels());
            self.app.pump();
            mock_elapsed_time(Duration::from_millis(20));
            std::thread::sleep(Duration::from_millis(10));
        }
        mock_elapsed_time(Duration::from_millis(200));
    }

    fn all(&self) -> Vec<ElementHandle> {
        let seen = |element: &ElementHandle| {
            element.accessible_role().is_some_and(|role| role != AccessibleRole::None)
                && element.computed_opacity() > 0.0
        };
        ElementQuery::from_root(self.app.component()).match_descendants().match_predicate(seen).find_all()
    }

    /// What a screen reader could read.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.all().iter().filter_map(|element| element.accessible_label()).map(String::from).collect()
    }

    /// Whether anything on the window says `text`.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.labels().iter().any(|label| label.contains(text))
    }

    fn find(&self, role: AccessibleRole, label: &str) -> ElementHandle {
        let elements = self.all();
        let fits = |element: &ElementHandle, test: fn(&str, &str) -> bool| {
            element.accessible_role() == Some(role)
                && element.accessible_label().is_some_and(|found| test(&found, label))
        };
        // The topmost is what a person would click: dialogs come last. “Word 1” is not “Word 10”.
        let exact = elements.iter().rfind(|element| fits(element, |found, label| found == label));
        match exact.or_else(|| elements.iter().rfind(|element| fits(element, |found, label| found.starts_with(label))))
        {
            Some(element) => element.clone(),
            None => panic!("no {role:?} begins with {label:?} in {:#?}", self.labels()),
        }
    }

    /// Clicks the button with that label.
    pub(crate) fn click(&self, label: &str) {
        self.click_on(AccessibleRole::Button, label);
    }

    /// Clicks what has that role and whose label begins so.
    pub(crate) fn click_on(&self, role: AccessibleRole, label: &str) {
        self.find(role, label).mock_single_click(PointerEventButton::Left);
        mock_elapsed_time(Duration::from_millis(200));
    }

    /// Clicks into the field with that label and types.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        self.click_on(AccessibleRole::TextInput, label);
        self.type_text(text);
    }

    /// Whether the field with that label is empty, as a screen reader hears it.
    pub(crate) fn is_enabled(&self, label: &str) -> bool {
        self.find(AccessibleRole::Button, label).accessible_enabled() == Some(true)
    }

    /// Types text into whatever has the focus.
    pub(crate) fn type_text(&self, text: &str) {
        for letter in text.chars() {
            self.press(letter);
        }
    }

    /// Presses one key.
    pub(crate) fn press(&self, key: impl Into<SharedString>) {
        let text = key.into();
        self.app.window().dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
        self.app.window().dispatch_event(WindowEvent::KeyReleased { text });
        mock_elapsed_time(Duration::from_millis(20));
    }

    /// Presses a key while others are held.
    pub(crate) fn press_with(&self, held: &[Key], key: impl Into<SharedString>) {
        for key in held {
            self.app.window().dispatch_event(WindowEvent::KeyPressed { text: (*key).into() });
        }
        self.press(key);
        for key in held {
            self.app.window().dispatch_event(WindowEvent::KeyReleased { text: (*key).into() });
        }
        mock_elapsed_time(Duration::from_millis(200));
    }

    /// Fills the form of a payment, reviews it, and sends it with the password.
    pub(crate) fn pay(&self, recipient: &str, amount: &str, password: &str) {
        let step = || self.app.component().global::<Send>().get_step();
        self.fill("Recipient", recipient);
        self.fill("Amount", amount);
        self.click("Review");
        self.wait("the review comes", || step() == SendStep::Review);
        assert!(self.says(&format!("Amount: {amount}.00000000 DEMO")));
        self.click("Send…");
        self.type_text(password);
        self.press(Key::Return);
        self.wait("it is sent", || step() == SendStep::Sent);
        assert_eq!(self.app.component().global::<Send>().get_txid().len(), 64);
    }

    /// Writes what the window looks like into the target's folder for tests and returns its first pixel.
    pub(crate) fn picture(&self, name: &str) -> [u8; 3] {
        mock_elapsed_time(Duration::from_millis(400));
        let pixels = self.app.window().take_snapshot().expect("the software renderer draws");
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("window-{name}.png"));
        let file = std::fs::File::create(&path).expect("the target's folder can be written");
        let mut encoder = png::Encoder::new(file, pixels.width(), pixels.height());
        encoder.set_color(png::ColorType::Rgba);
        let mut writer = encoder.write_header().expect("a fresh file");
        writer.write_image_data(pixels.as_bytes()).expect("as many bytes as the header says");
        let first = pixels.as_slice().first().expect("a window has pixels");
        [first.r, first.g, first.b]
    }
}
