//! Words of one behaviour, interned once when it is installed.

/// Makes a struct with one symbol for each text, and its `new(&mut Names)`. ECS resource.
macro_rules! texts {
    ($(#[$about:meta])* pub $struct:ident { $($name:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, bevy_ecs::resource::Resource)]
        pub struct $struct { $(#[doc = concat!("`", $text, "`")] pub $name: wavetank_engine::names::Sym,)* }

        impl $struct {
            /// Interns the texts.
            pub fn new(names: &mut wavetank_engine::names::Names) -> $struct {
                $struct { $($name: names.sym($text),)* }
            }
        }
    };
    ($(#[$about:meta])* $struct:ident { $($name:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, bevy_ecs::resource::Resource)]
        pub(crate) struct $struct { $(pub(crate) $name: wavetank_engine::names::Sym,)* }

        impl $struct {
            pub(crate) fn new(names: &mut wavetank_engine::names::Names) -> $struct {
                $struct { $($name: names.sym($text),)* }
            }
        }
    };
}
pub(crate) use texts;
