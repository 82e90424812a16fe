//! QR codes as pictures.

use qrcode::{Color, EcLevel, QrCode};
use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

/// Light modules around the code. Source: ISO/IEC 18004 asks for four; the card around the picture gives the rest.
const BORDER: usize = 2;

/// The QR code of `text`; an empty picture where it is too long for one.
pub(crate) fn picture(text: &str) -> Image {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else {
        return Image::default();
    };
    let width = code.width() + 2 * BORDER;
    let Ok(side) = u32::try_from(width) else {
        return Image::default();
    };
    let mut pixels = SharedPixelBuffer::<Rgb8Pixel>::new(side, side);
    let white = Rgb8Pixel::new(255, 255, 255);
    pixels.make_mut_slice().fill(white);
    let colors = code.to_colors();
    for (line, row) in colors.chunks(code.width()).zip(pixels.make_mut_slice().chunks_mut(width).skip(BORDER)) {
        for (color, pixel) in line.iter().zip(row.iter_mut().skip(BORDER)) {
            *pixel = if *color == Color::Dark { Rgb8Pixel::new(16, 19, 28) } else { white };
        }
    }
    Image::from_rgb8(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_border_and_a_finder_pattern() {
        let size = picture("mycoin-demo:dmyc1qxy").size();
        assert!(size.width >= 21 + 4 && size.width == size.height);
    }
}
