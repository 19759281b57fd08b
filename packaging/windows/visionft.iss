; Inno Setup: packs build\frozen\VisionFT, which packaging/freeze.py made on Windows, as one installer.
;   iscc /DVersion=0.2.0 packaging\windows\visionft.iss      writes build\visionft-0.2.0-setup.exe
; Never run yet: there was no Windows at hand (docs/install.md).

#ifndef Version
  #error Give the version: iscc /DVersion=0.2.0 visionft.iss
#endif

[Setup]
AppId=VisionFT
AppName=VisionFT
AppVersion={#Version}
AppPublisher=The VisionFT developers
DefaultDirName={autopf}\VisionFT
DefaultGroupName=VisionFT
DisableProgramGroupPage=yes
; Without asking for an administrator: into the user's own programs, unless the user chooses otherwise.
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
LicenseFile=..\..\LICENSE
SetupIconFile=..\..\build\icons\visionft.ico
UninstallDisplayIcon={app}\visionft.exe
OutputDir=..\..\build
OutputBaseFilename=visionft-{#Version}-setup
Compression=lzma2
SolidCompression=yes
WizardStyle=modern

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"

[Files]
Source: "..\..\build\frozen\VisionFT\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion

[Icons]
Name: "{autoprograms}\VisionFT"; Filename: "{app}\visionft.exe"; Parameters: "app"; AppUserModelID: "VisionFT"
Name: "{autodesktop}\VisionFT"; Filename: "{app}\visionft.exe"; Parameters: "app"; AppUserModelID: "VisionFT"; Tasks: desktop

[Tasks]
Name: "desktop"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked

[Run]
Filename: "{app}\visionft.exe"; Parameters: "app"; Description: "{cm:LaunchProgram,VisionFT}"; Flags: nowait postinstall skipifsilent
