"""What rides on a data channel or stands for it on Mw, without I/O."""
