"""From a folder of audio files to items with log-mel spectrograms; decoding needs the extra `audio`."""
