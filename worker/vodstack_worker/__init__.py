"""The worker: takes arrivals off the queue, transcodes them with ffmpeg, publishes the renditions."""
